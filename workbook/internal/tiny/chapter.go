package tiny

const yaml = `chapter: 1
name: 01-tiny
title: Sums
package: tiny
allow: [highwater.dev/broker/model, highwater.dev/broker/vfs]
invariants:
  - {id: SUM-1, sentence: "A sum counts every number once.", anchor: "#sum-1"}
exercises:
  - id: "1.1"
    title: The sum
    file: sum.go
    points: 10
    minutes: 5
    tests: {public: [sums-three], property: [sums-like-adding]}
    hints: ["What is the sum of nothing?", "See SUM-1", "Add each number to a total"]
    mutants:
      - {id: first-forgotten, misconception: "Counting begins at one.", find: "range xs {", replace: "range xs[min(1, len(xs)):] {"}
      - {id: last-wins, misconception: "The total is the last number.", find: "total += x", replace: "total = x"}
      - {id: no-negatives, misconception: "Numbers are never negative.", find: "total += x", replace: "total += max(x, 0)"}
  - id: "1.2"
    title: The mean
    file: mean.go
    points: 5
    minutes: 5
    tests: {public: [mean-of-three], fault: [mean-of-none]}
    hints: ["What is the mean of nothing?", "See SUM-1", "Divide the sum by how many there are"]
    mutants:
      - {id: no-guard, misconception: "There is always a number.", find: "len(xs) == 0", replace: "xs == nil"}
      - {id: one-more, misconception: "Lengths count from zero.", find: "/ len(xs)", replace: "/ (len(xs) + 1)"}
      - {id: sum, misconception: "The mean is the sum.", find: "/ len(xs)", replace: "/ 1"}
`

const suite = `// Package suite grades sums.
package suite

import (
	"testing"

	"pgregory.net/rapid"

	"highwater.dev/workbook/lab"
)

// Impl is what is graded.
type Impl struct{ Sum, Mean func([]int) int }

var sum1 = lab.Invariant{ID: "SUM-1", Sentence: "A sum counts every number once."}

// Run runs the tests.
func Run(t *testing.T, impl Impl) {
	lab.Run(t, impl, []lab.Test[Impl]{
		{Exercise: "1.1", Name: "sums-three", Kind: lab.Public, Invariant: sum1, Run: func(t *lab.T, i Impl) {
			if got := i.Sum([]int{1, 2, 3}); got != 6 {
				t.Fatalf("the sum of 1, 2 and 3 is 6, not %d", got)
			}
		}},
		{Exercise: "1.1", Name: "sums-like-adding", Kind: lab.Property, Invariant: sum1, Run: func(t *lab.T, i Impl) {
			t.Check(func(rt *rapid.T) {
				xs := rapid.SliceOf(rapid.IntRange(-100, 100)).Draw(rt, "xs")
				want := 0
				for _, x := range xs {
					want += x
				}
				if got := i.Sum(xs); got != want {
					rt.Fatalf("the sum of %v is %d, not %d", xs, want, got)
				}
			})
		}},
		{Exercise: "1.2", Name: "mean-of-three", Kind: lab.Public, Invariant: sum1, Run: func(t *lab.T, i Impl) {
			if got := i.Mean([]int{1, 2, 6}); got != 3 {
				t.Fatalf("the mean of 1, 2 and 6 is 3, not %d", got)
			}
		}},
		{Exercise: "1.2", Name: "mean-of-none", Kind: lab.Fault, Invariant: sum1, Run: func(t *lab.T, i Impl) {
			if got := i.Mean([]int{}); got != 0 {
				t.Fatalf("the mean of nothing is 0, not %d", got)
			}
		}},
	})
}
`

const graded = `package main_test

import (
	"flag"
	"testing"

	"highwater.dev/chapters/01-tiny/suite"
	solution "highwater.dev/solutions/01-tiny"
)

var implFlag = flag.String("impl", "solution", "whose sums are graded: solution or mine")

var impls = map[string]suite.Impl{"solution": {Sum: solution.Sum, Mean: solution.Mean}}

func TestGraded(t *testing.T) {
	impl, ok := impls[*implFlag]
	if !ok {
		t.Fatalf("-impl=%s: there is no such implementation", *implFlag)
	}
	t.Run(*implFlag, func(t *testing.T) { suite.Run(t, impl) })
}
`

const gradedMine = `//go:build mine

package main_test

import (
	"highwater.dev/chapters/01-tiny/suite"
	mine "highwater.dev/exercises/01-tiny"
)

func init() { impls["mine"] = suite.Impl{Sum: mine.Sum, Mean: mine.Mean} }
`

const sum = `// Package tiny adds.
package tiny

// Sum adds the numbers up.
func Sum(xs []int) int {
	// BEGIN SOLUTION 1.1 add the numbers up
	total := 0
	for _, x := range xs {
		total += x
	}
	return total
	// END SOLUTION
}
`

const mean = `package tiny

// Mean is the sum over the count, rounded towards zero; the mean of nothing is 0.
func Mean(xs []int) int {
	// BEGIN SOLUTION 1.2 divide the sum by the count
	if len(xs) == 0 {
		return 0
	}
	return Sum(xs) / len(xs)
	// END SOLUTION
}
`
