// Package progress remembers, in one file, how a learner's exercises last ended and which hints were shown.
package progress

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"highwater.dev/workbook/lab"
	"highwater.dev/workbook/manifest"
)

// File is where the progress is kept, below the checkout's root.
const File = ".highwater/progress.json"

// Progress maps exercise ids to what is known of them.
type Progress struct {
	Exercises map[string]Exercise `json:"exercises"`
}

// Exercise is one exercise's last known state.
type Exercise struct {
	State lab.State `json:"state"`
	Hints int       `json:"hints"` // how many were shown
}

// Load reads the progress below root; none yet is an empty one.
func Load(root string) (*Progress, error) {
	p := &Progress{Exercises: map[string]Exercise{}}
	content, err := os.ReadFile(filepath.Join(root, File))
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, fmt.Errorf("progress: %w", err)
	}
	if err := json.Unmarshal(content, p); err != nil {
		return nil, fmt.Errorf("progress: %s is damaged (%w): remove it to start the record anew; your code is not in it", File, err)
	}
	if p.Exercises == nil {
		p.Exercises = map[string]Exercise{}
	}
	return p, nil
}

// Save writes the progress below root.
func (p *Progress) Save(root string) error {
	content, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fmt.Errorf("progress: %w", err)
	}
	file := filepath.Join(root, File)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("progress: %w", err)
	}
	if err := os.WriteFile(file+".tmp", append(content, '\n'), 0o644); err != nil {
		return fmt.Errorf("progress: %w", err)
	}
	return os.Rename(file+".tmp", file)
}

// Ended notes how an exercise ended.
func (p *Progress) Ended(id string, state lab.State) {
	e := p.Exercises[id]
	e.State = state
	p.Exercises[id] = e
}

// NextHint returns the number, from 1, of the hint to show next, never above the last, and notes it.
func (p *Progress) NextHint(id string, last int) int {
	e := p.Exercises[id]
	e.Hints = min(e.Hints+1, last)
	p.Exercises[id] = e
	return e.Hints
}

// Next is the first exercise that is not passed; nil when all are.
func (p *Progress) Next(chapters []*manifest.Chapter) (*manifest.Chapter, *manifest.Exercise) {
	for _, c := range chapters {
		for i := range c.Exercises {
			if p.Exercises[c.Exercises[i].ID].State != lab.Pass {
				return c, &c.Exercises[i]
			}
		}
	}
	return nil, nil
}
