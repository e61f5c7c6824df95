// Package stat reads benchmark results and says what can be concluded from them.
//
// It owns: reading files of the Go benchmark format (a faulty result line is an error with its place; lines that are neither results nor
// "key: value", with the key in lower case, are no part of the format and say nothing); Compare,
// which gives for two files the verdicts that benchstat gives; Against, which puts the implementations of one run beside each other,
// as ratios to one of them, and beside the noise floor; the table of units, which knows the better direction. It never measures.
//
// Words. The key (usually "impl") is the part of a benchmark's name that tells implementations apart. A row is a benchmark, without
// that part, and a unit. The samples of an implementation in a row stand in the order of measuring, so that sample i of each
// belongs to round i. The twin of X is named X-again, under whatever key: the same program, measured once more in each round. What differs between X
// and its twin is noise by construction; the noise floor of a row is the largest factor that the interval of such a ratio reaches.
//
// Invariants: a difference is called better or worse only where the interval of the ratio excludes 1, the U-test has p below 0.05, and
// the ratio lies outside the noise floor; everything else is "~". The same files always give the same output: the seed is fixed.
//
// Units: as they stand in the file. Ratios are medians divided by the base's median. Intervals are of 95 %.
package stat
