package segment_test

import (
	"testing"

	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
)

func TestCrash(t *testing.T) {
	cuts := 0
	for seed := range uint64(100) {
		c := logtest.Crash{Open: segment.Open, Seed: seed, Ops: 60, Cuts: 40}
		cuts += c.Run(t)
	}
	if cuts < 3500 {
		t.Fatalf("only %d power cuts, expected at least 3500", cuts)
	}
}
