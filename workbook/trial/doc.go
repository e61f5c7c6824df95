// Package trial builds a chapter's graded tests with some files replaced and runs them in a process of their own, within
// limits on time, memory and output. The grader tries a learner's code with it, the mutants check tries wrong programs.
//
// It trusts nothing but the verdict channel of package lab: not the output, and an exit code of 0 only together with a
// complete list of verdicts. It never changes the checkout: replaced files go through `go build -overlay`.
package trial
