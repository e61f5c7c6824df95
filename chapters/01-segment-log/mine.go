//go:build mine

package main

import mine "highwater.dev/exercises/01-segment-log"

func init() { impls["mine"] = impl{mine.Open, mine.Codec{}} }
