// Package profile keeps the profiles of measured programs and answers where the time, the memory and the waiting went.
//
// It owns: where a profile lies (DIR/NAME/KIND.pb.gz, NAME being the benchmark's name with "_" for "/"); fetching profiles from a
// running broker; the top table, callers and callees, the flame graph page and the difference of two runs. It never measures, starts
// no browser, and writes nowhere but where its caller says: the pprof driver's habits of saving below the home folder are kept off.
//
// Invariants: a profile that is damaged, cut off or without samples is an error that names its file, never an empty table; a page loads
// nothing from anywhere. Units are the profile's own: nanoseconds for cpu, mutex and block, bytes for heap.
package profile
