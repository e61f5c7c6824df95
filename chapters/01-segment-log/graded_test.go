package main

import (
	"flag"
	"strings"
	"testing"

	"highwater.dev/chapters/01-segment-log/suite"
)

var implFlag = flag.String("impl", "solution,broker", "whose log is graded: solution, broker, mine (with -tags mine), or several with commas")

func TestGraded(t *testing.T) {
	for name := range strings.SplitSeq(*implFlag, ",") {
		i, ok := impls[name]
		if !ok {
			t.Fatalf("-impl=%s: there is no such implementation", name)
		}
		t.Run(name, func(t *testing.T) { suite.Run(t, suite.Impl{Name: name, Open: i.open, Codec: i.codec}) })
	}
}
