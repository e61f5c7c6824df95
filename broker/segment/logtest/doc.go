// Package logtest checks implementations of segment.Log against a model: a list of batches. The broker's own tests and chapter
// 01's graded suite use it, so that both ask the same of a log.
//
// It looks at the seam, and at the .log files' names and bytes, which are part of it: never at index files, at names inside
// an implementation, at time or at allocation. Only tests import it.
package logtest
