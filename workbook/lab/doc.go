// Package lab is what exercises, graded suites and the grader share: the stub's panic, the test over a seam,
// the verdict channel, and pictures of bytes.
//
// A graded suite is a list of Test values over an implementation type I: a struct of factories for the seam's parts.
// Run turns them into Go subtests named EXERCISE/NAME, so `go test -run` picks them, and, when a grader started the
// process, writes one verdict for each to a pipe of its own. Neither what a learner's code prints nor how the process ends
// is a verdict.
//
// The package owns no state but its flags. It never decides points.
package lab
