package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
)

// Kind of a profile.
type Kind string

// The kinds, with what is counted in each.
const (
	CPU   Kind = "cpu"   // nanoseconds of processor time
	Heap  Kind = "heap"  // bytes allocated, whether or not they were freed
	Mutex Kind = "mutex" // nanoseconds that others waited for a lock
	Block Kind = "block" // nanoseconds waited
)

// Kinds lists all of them.
var Kinds = []Kind{CPU, Heap, Mutex, Block}

// sampleType is the value of each kind's samples that is looked at.
var sampleType = map[Kind]string{CPU: "cpu", Heap: "alloc_space", Mutex: "delay", Block: "delay"}

// suffix of a profile's file.
const suffix = ".pb.gz"

// Path is where the profile of a benchmark lies below dir.
func Path(dir, name string, kind Kind) string {
	return filepath.Join(dir, strings.ReplaceAll(name, "/", "_"), string(kind)+suffix)
}

// Keep writes the profile that r gives to its place below dir. What is no profile is refused and leaves nothing behind; one without
// samples is kept, for nothing may have been sampled.
func Keep(dir, name string, kind Kind, r io.Reader) error {
	if !slices.Contains(Kinds, kind) {
		return fmt.Errorf("profile: kind %q: it is one of %v", kind, Kinds)
	}
	path := Path(dir, name, kind)
	data, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("profile: %s: %w", path, err)
	}
	if _, err := profile.ParseData(data); err != nil {
		return fmt.Errorf("profile: %s: %d bytes are no profile: %w", path, len(data), err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	return nil
}

// Profile of a kind, read from a file.
type Profile struct {
	File  string
	Kind  Kind
	data  *profile.Profile
	index int // of the value looked at, in each sample
}

// Load reads a kept profile.
func Load(dir, name string, kind Kind) (*Profile, error) {
	if !slices.Contains(Kinds, kind) {
		return nil, fmt.Errorf("profile: kind %q: it is one of %v", kind, Kinds)
	}
	path := Path(dir, name, kind)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("profile: there is no %s%s: %w", path, alternatives(dir, name), err)
	}
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	if len(data) == 0 {
		return nil, fmt.Errorf("profile: %s is an empty file", path)
	}
	p, err := profile.Parse(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("profile: %s is damaged or cut off: %w", path, err)
	}
	if len(p.Sample) == 0 {
		return nil, fmt.Errorf("profile: %s has no samples: nothing was sampled while it was taken", path)
	}
	index, err := p.SampleIndexByName(sampleType[kind])
	if err != nil {
		return nil, fmt.Errorf("profile: %s is no %s profile: %w", path, kind, err)
	}
	return &Profile{File: path, Kind: kind, data: p, index: index}, nil
}

// alternatives tells what there is instead: other kinds of the benchmark or other benchmarks.
func alternatives(dir, name string) string {
	if found := entries(filepath.Dir(Path(dir, name, CPU)), suffix); len(found) > 0 {
		return "; kept of this benchmark: " + strings.Join(found, ", ")
	}
	if found := entries(dir, ""); len(found) > 0 {
		return "; there are profiles of " + strings.Join(found, ", ")
	}
	return ""
}

func entries(dir, suffix string) []string {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil // the folder's absence is what the caller reports
	}
	var names []string
	for _, e := range list {
		if name, ok := strings.CutSuffix(e.Name(), suffix); ok && e.IsDir() == (suffix == "") {
			names = append(names, name)
		}
	}
	return names
}
