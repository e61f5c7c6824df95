package cli

// Failed is the error of a command that was asked for rightly and did not succeed: exit code 1, where other errors are
// wrong arguments, exit code 2.
type Failed struct{ Err error }

func (f *Failed) Error() string { return f.Err.Error() }

// Unwrap gives the reason.
func (f *Failed) Unwrap() error { return f.Err }
