// Package table prints what the benchmark commands have to say, in a form for eyes (table), for programs (csv) and for documents
// (markdown). It owns the three forms and nothing else: what stands in a cell is its caller's.
package table
