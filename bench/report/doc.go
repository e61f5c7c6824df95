// Package report writes down what a run has shown: a Markdown page, the same page as HTML that stands alone, the charts and the
// samples beside them.
//
// It owns the order of the page, which charts there are, and what the physical limit of a result is. All figures come from bench/stat
// and all verdicts from bench/budget. What a person has to say comes from a file of notes and is put in verbatim: nothing else in the
// page is written by hand. A chart or a budget without samples is named as absent.
//
// Invariant: the same samples and notes give the same page, byte for byte; the clock is not looked at.
package report
