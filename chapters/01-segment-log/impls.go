package main

import (
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	solution "highwater.dev/solutions/01-segment-log"
)

// impl is one way to do the chapter's exercises.
type impl struct {
	open  segment.Opener
	codec record.Codec
}

// impls by name; mine.go adds the reader's.
var impls = map[string]impl{
	"solution": {solution.Open, solution.Codec{}},
	"broker":   {segment.Open, record.V2},
}
