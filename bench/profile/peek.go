package profile

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"sync"
	"time"

	"github.com/google/pprof/driver"
	"github.com/google/pprof/profile"
)

// pprof's driver keeps its settings in variables of the process.
var driverMutex sync.Mutex

// Peek writes who calls the functions that match, and whom they call, as pprof's driver lays it out.
func (p *Profile) Peek(w io.Writer, re *regexp.Regexp) error {
	return p.drive(w, "-peek="+re.String())
}

// drive runs a text report of pprof's driver over the profile. Everything by which the driver reaches outside is given to it: it
// fetches nothing, looks for no binaries, saves no copy and asks nobody.
func (p *Profile) drive(w io.Writer, report ...string) error {
	driverMutex.Lock()
	defer driverMutex.Unlock()
	flags := &arguments{FlagSet: flag.NewFlagSet("pprof", flag.ContinueOnError)}
	flags.SetOutput(io.Discard)
	flags.line = append([]string{"-symbolize=none", "-sample_index=" + sampleType[p.Kind], "-output=report"}, append(report, p.File)...)
	err := driver.PProf(&driver.Options{
		Flagset: flags, Fetch: given{p.data}, Sym: noSymbols{}, Obj: noBinaries{}, UI: silent{}, Writer: output{w},
	})
	if err = errors.Join(flags.err, err); err != nil {
		return fmt.Errorf("profile: %s: %w", p.File, err)
	}
	return nil
}

// arguments hands the driver a command line that we wrote.
type arguments struct {
	*flag.FlagSet
	line []string
	err  error
}

func (a *arguments) StringList(name, value, usage string) *[]*string {
	return &[]*string{a.String(name, value, usage)}
}
func (a *arguments) ExtraUsage() string   { return "" }
func (a *arguments) AddExtraUsage(string) {}
func (a *arguments) Parse(func()) []string {
	a.err = a.FlagSet.Parse(a.line)
	return a.Args()
}

// given is a profile that is already here. The empty source says that it came from no server, so nothing saves a copy.
type given struct{ p *profile.Profile }

func (g given) Fetch(string, time.Duration, time.Duration) (*profile.Profile, string, error) {
	return g.p.Copy(), "", nil
}

type noSymbols struct{}

func (noSymbols) Symbolize(string, driver.MappingSources, *profile.Profile) error { return nil }

type noBinaries struct{}

var errNoBinaries = errors.New("binaries are not looked at")

func (noBinaries) Open(string, uint64, uint64, uint64, string) (driver.ObjFile, error) {
	return nil, errNoBinaries
}
func (noBinaries) Disasm(string, uint64, uint64, bool) ([]driver.Inst, error) {
	return nil, errNoBinaries
}

// output takes the report: the name of the file is what -output said.
type output struct{ io.Writer }

func (o output) Open(string) (io.WriteCloser, error) { return o, nil }
func (output) Close() error                          { return nil }

// silent drops the driver's remarks; its errors are returned.
type silent struct{}

func (silent) ReadLine(string) (string, error)     { return "", io.EOF }
func (silent) Print(...any)                        {}
func (silent) PrintErr(...any)                     {}
func (silent) IsTerminal() bool                    { return false }
func (silent) WantBrowser() bool                   { return false }
func (silent) SetAutoComplete(func(string) string) {}
