package segmentlog_test

import (
	"flag"
	"strings"
	"testing"

	"highwater.dev/broker/segment"
	"highwater.dev/chapters/01-segment-log/suite"
	solution "highwater.dev/solutions/01-segment-log"
)

var implFlag = flag.String("impl", "solution,broker", "whose log is graded: solution, broker, or both with a comma")

func TestGraded(t *testing.T) {
	impls := map[string]suite.Impl{
		"solution": {Name: "solution", Open: solution.Open},
		"broker":   {Name: "broker", Open: segment.Open},
	}
	for name := range strings.SplitSeq(*implFlag, ",") {
		impl, ok := impls[name]
		if !ok {
			t.Fatalf("-impl=%s: there is no such implementation", name)
		}
		t.Run(name, func(t *testing.T) { suite.Run(t, impl) })
	}
}
