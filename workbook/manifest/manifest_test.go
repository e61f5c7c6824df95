package manifest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const valid = `chapter: 1
name: 01-segment-log
title: The segment log
package: segmentlog
allow: [highwater.dev/broker/model]
invariants:
  - {id: LOG-1, sentence: "Offsets never go back.", anchor: "#log-1"}
exercises:
  - id: "1.1"
    title: The codec
    file: codec.go
    points: 10
    minutes: 40
    tests: {public: [decodes-a-header], property: [round-trip], fault: []}
    hints: ["What is covered?", "See codec.go", "Nearly the code"]
    mutants:
      - {id: a, misconception: "x", find: "1", replace: "2"}
      - {id: b, misconception: "x", find: "1", replace: "3"}
      - {id: c, misconception: "x", find: "1", replace: "4"}
`

func TestValid(t *testing.T) {
	c, err := Parse([]byte(valid), "exercises.yaml")
	require.NoError(t, err)
	e, ok := c.Exercise("1.1")
	require.True(t, ok)
	require.Equal(t, []string{"decodes-a-header", "round-trip"}, e.Tests.All())
	_, ok = c.Exercise("1.2")
	require.False(t, ok)
}

func TestFaultsNameTheirLine(t *testing.T) {
	for _, c := range []struct{ name, old, replacement, want string }{
		{"unknown key", "title: The codec", "titel: The codec", "line 10"},
		{"wrong number", `id: "1.1"`, `id: "1.2"`, `exercises.yaml:9: exercise id is "1.2", want "1.1"`},
		{"no points", "points: 10", "points: 0", "exercises.yaml:12: exercise 1.1 has 0 points"},
		{"two hints", "\"See codec.go\", ", "", "exercises.yaml:15: exercise 1.1 has 2 hints, want 3"},
		{"mutant without effect", `find: "1", replace: "4"`, `find: "1", replace: "1"`, "exercises.yaml:19: exercise 1.1: mutant c changes nothing"},
		{"mutant with a bad name", "{id: b,", "{id: B 2,", `exercises.yaml:18: exercise 1.1: mutant id "B 2" is not lower-case words`},
		{"mutant twice", "{id: b,", "{id: a,", "exercises.yaml:18: exercise 1.1: mutant a stands twice"},
		{"test twice", "property: [round-trip]", "property: [decodes-a-header]", "exercises.yaml:14: exercise 1.1: test decodes-a-header belongs to"},
		{"bad test name", "round-trip", "RoundTrip", `exercises.yaml:14: exercise 1.1: test name "RoundTrip"`},
		{"bad file", "file: codec.go", "file: ../codec.go", "exercises.yaml:11:"},
		{"no anchor", "#log-1", "log-1", "exercises.yaml:7: an invariant needs"},
		{"name and number", "name: 01-segment-log", "name: 02-segment-log", "exercises.yaml:2:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			broken := strings.Replace(valid, c.old, c.replacement, 1)
			require.NotEqual(t, valid, broken)
			_, err := Parse([]byte(broken), "exercises.yaml")
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	broken := strings.NewReplacer("points: 10", "points: 0", "minutes: 40", "minutes: 0").Replace(valid)
	_, err := Parse([]byte(broken), "exercises.yaml")
	require.ErrorContains(t, err, "0 points")
	require.ErrorContains(t, err, "0 minutes")
}
