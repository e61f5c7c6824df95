package class

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"highwater.dev/workbook/manifest"
)

// submission is one learner's.
type submission struct {
	learner string
	path    string // folder or archive
	archive bool
}

// submissions lists the folders and archives in dir, and what is neither.
func submissions(dir string) (found []submission, others []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("class: %w", err)
	}
	taken := map[string]bool{}
	for _, entry := range entries {
		name := entry.Name()
		s := submission{learner: name, path: filepath.Join(dir, name)}
		suffix := slices.IndexFunc(archiveSuffixes, func(suffix string) bool { return strings.HasSuffix(name, suffix) })
		switch {
		case strings.HasPrefix(name, "."):
			continue
		case entry.IsDir():
		case entry.Type().IsRegular() && suffix >= 0 && len(name) > len(archiveSuffixes[suffix]):
			s.learner, s.archive = strings.TrimSuffix(name, archiveSuffixes[suffix]), true
		default:
			others = append(others, name)
			continue
		}
		if taken[s.learner] { // alice/ and alice.zip are two submissions
			s.learner = name
		}
		taken[s.learner] = true
		found = append(found, s)
	}
	return found, others, nil
}

// exercisesIn finds the folder below dir that holds NN-name folders: exercises/ or dir itself, or the same one folder down.
func exercisesIn(dir string, chapters []*manifest.Chapter) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close() //nolint:errcheck // opened for reading: nothing can be lost
	holds := func(base string) bool {
		return slices.ContainsFunc(chapters, func(c *manifest.Chapter) bool {
			info, err := root.Stat(path.Join(base, c.Name))
			return err == nil && info.IsDir()
		})
	}
	for _, base := range []string{"exercises", "."} {
		if holds(base) {
			return filepath.Join(dir, base), nil
		}
	}
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return "", err
	}
	var found []string
	for _, entry := range entries {
		name := entry.Name()
		if !entry.IsDir() || strings.HasPrefix(name, ".") || slices.Contains([]string{"__MACOSX", "chapters", "solutions"}, name) {
			continue
		}
		for _, base := range []string{path.Join(name, "exercises"), name} {
			if holds(base) {
				found = append(found, base)
				break
			}
		}
	}
	switch len(found) {
	case 0:
		return "", refuse("it holds no exercises: looked for exercises/NN-name/ and NN-name/, at the top and one folder down")
	case 1:
		return filepath.Join(dir, found[0]), nil
	default:
		return "", refuse("it holds several: %s", strings.Join(found, ", "))
	}
}
