package stat

import (
	"bytes"
	"fmt"
	"math"
	"os"

	"golang.org/x/perf/benchfmt"
)

// Results of one or more files, in the order of the files and their lines.
type Results struct {
	Files   []string
	Results []*benchfmt.Result
	Units   benchfmt.UnitMetadataMap // what the files' Unit lines say
}

// Read reads whole files. A line that is not a result, a file that ends within a line and a file without results are errors.
func Read(paths ...string) (*Results, error) {
	all := &Results{Files: paths, Units: benchfmt.UnitMetadataMap{}}
	var reader benchfmt.Reader // one for all files: their Unit lines must agree
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("stat: %w", err)
		}
		reader.Reset(bytes.NewReader(data), path, ".file", path)
		before := len(all.Results)
		if err := all.collect(&reader); err != nil {
			return nil, fmt.Errorf("stat: %w", err)
		}
		if len(data) > 0 && data[len(data)-1] != '\n' {
			return nil, fmt.Errorf("stat: %s:%d: the file ends within a line", path, bytes.Count(data, []byte{'\n'})+1)
		}
		if len(all.Results) == before {
			return nil, fmt.Errorf("stat: %s: no benchmark result in it", path)
		}
	}
	all.Units = reader.Units()
	return all, nil
}

func (r *Results) collect(reader *benchfmt.Reader) error {
	for reader.Scan() {
		switch record := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			return record
		case *benchfmt.Result:
			for _, v := range record.Values {
				if math.IsNaN(v.Value) || math.IsInf(v.Value, 0) {
					file, line := record.Pos()
					return fmt.Errorf("%s:%d: %s of %s is not a finite number", file, line, original(v), record.Name)
				}
			}
			r.Results = append(r.Results, record.Clone())
		}
	}
	return reader.Err()
}

// original is the unit as it stands in the file: the reader turns MB/s into B/s and ns/op into sec/op.
func original(v benchfmt.Value) string {
	if v.OrigUnit != "" {
		return v.OrigUnit
	}
	return v.Unit
}

// Fact is a line "key: value" of a file's head: the processor, the commit, the date.
type Fact struct{ Key, Value string }

// Facts are the configuration lines that hold for any result, each key and value once, in order of appearance.
func (r *Results) Facts() []Fact {
	var facts []Fact
	seen := map[Fact]bool{}
	for _, result := range r.Results {
		for _, c := range result.Config {
			fact := Fact{c.Key, string(c.Value)}
			if c.File && !seen[fact] {
				seen[fact] = true
				facts = append(facts, fact)
			}
		}
	}
	return facts
}
