package stat

import (
	"strings"

	"golang.org/x/perf/benchfmt"
)

// Direction says which values of a unit are better.
type Direction int

// The directions. The zero value is the honest one.
const (
	Unknown Direction = 0
	Higher  Direction = 1
	Lower   Direction = -1
)

// units is the one table of units. The first line that fits holds; a text ending in "*" is a beginning, one that starts with "*" an end.
var units = []struct {
	unit   string
	better Direction
}{
	{"cpu-s/*", Lower}, // processor seconds for a GB or a million records
	{"KiB/*", Lower},   // memory for a partition or a connection
	{"MiB/*", Lower},
	{"allocs/*", Lower},
	{"*/op", Lower},
	{"*/s", Higher}, // MB/s, records/s
	{"*-ms", Lower}, // p99-ms, ready-ms
	{"*-s", Lower},  // create-s, stop-s
	{"*-MiB", Lower},
	{"ns", Lower}, {"us", Lower}, {"ms", Lower}, {"s", Lower}, {"sec", Lower},
	{"B", Lower}, {"KiB", Lower}, {"MiB", Lower}, {"MB", Lower},
}

// Better is the better direction of a unit: what a file's Unit line says, otherwise what the table says.
func Better(unit string, said benchfmt.UnitMetadataMap) Direction {
	if said.Get(unit, "better") != nil {
		return Direction(said.GetBetter(unit))
	}
	for _, u := range units {
		prefix, isPrefix := strings.CutSuffix(u.unit, "*")
		suffix, isSuffix := strings.CutPrefix(u.unit, "*")
		switch {
		case isPrefix && strings.HasPrefix(unit, prefix), isSuffix && strings.HasSuffix(unit, suffix), u.unit == unit:
			return u.better
		}
	}
	return Unknown
}

// Verdict is what may be said of a difference.
type Verdict string

// The verdicts. Same means that no difference was shown, not that there is none.
const (
	Same    Verdict = "~"
	Wins    Verdict = "better"
	Loses   Verdict = "worse"
	Differs Verdict = "differs" // significantly, in a unit whose direction is unknown
)

// judge names a difference that has been shown to be real; ratio is new by old.
func judge(ratio float64, better Direction) Verdict {
	switch {
	case ratio == 1:
		return Same
	case better == Unknown:
		return Differs
	case (ratio > 1) == (better == Higher):
		return Wins
	}
	return Loses
}
