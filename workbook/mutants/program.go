package mutants

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"highwater.dev/workbook/lab"
	"highwater.dev/workbook/manifest"
	"highwater.dev/workbook/trial"
)

// candidate is what is tried: a mutant, or the unchanged solution when the mutant's id is empty.
type candidate struct {
	program  *program
	exercise *manifest.Exercise
	mutant   manifest.Mutant
	buildID  string // of the mutant's package
	kill     Kill
}

// impl is the candidate's name among the program's implementations.
func (c *candidate) impl() string {
	if c.mutant.ID == "" {
		return "solution"
	}
	return c.exercise.ID + "-" + c.mutant.ID
}

// program is a chapter's test program with all of its mutants inside, because linking takes longer than running. Each mutant is a copy of
// the solution's package with the one change, in solutions/NN-name/mutants/IMPL. It is registered by a copy of the file by which
// the chapter registers the reader's package, with the mutant's package and name in place of the reader's; so that file may declare
// nothing but init. None of this is written into the checkout: the go command sees it as an overlay.
type program struct {
	chapter  *manifest.Chapter
	dir      string // temporary
	source   trial.Source
	solution []string // the solution's files below the root
	register string   // the file that registers the reader's package
	template string   // its content
	base     string   // hash of all that every candidate runs: tests, solution, broker, standard library
	// build links the program, once.
	build func() (trial.Binary, error)
}

const module = "highwater.dev/"

// prepare compiles a chapter's candidates and does not link them yet. Those that cannot be tried have a Defect.
func prepare(ctx context.Context, root string, c *manifest.Chapter, dir string) ([]*candidate, error) {
	p := &program{chapter: c, dir: dir, source: trial.Source{Root: root, Chapter: c.Name, Replace: map[string]string{}}}
	p.build = sync.OnceValues(func() (trial.Binary, error) {
		b, err := trial.Build(ctx, p.source, p.dir)
		if err != nil {
			err = fmt.Errorf("the program of all mutants: %w", err)
		}
		return b, err
	})
	if err := errors.Join(os.Mkdir(dir, 0o700), p.find()); err != nil {
		return nil, err
	}
	var candidates []*candidate
	mutants := map[string]*candidate{} // by import path
	for i := range c.Exercises {
		e := &c.Exercises[i]
		candidates = append(candidates, &candidate{program: p, exercise: e, kill: Kill{Exercise: e.ID}})
		for _, m := range e.Mutants {
			next := &candidate{program: p, exercise: e, mutant: m, kill: Kill{Exercise: e.ID, Mutant: m.ID, Misconception: m.Misconception}}
			candidates = append(candidates, next)
			err := p.copySolution(next)
			if errors.Is(err, errNotOnce) {
				next.kill.How, next.kill.Defect = lab.Build, err.Error()
				continue
			} else if err != nil {
				return nil, err
			}
			mutants[module+p.folder(next)] = next
		}
	}
	if err := p.compile(ctx, mutants); err != nil {
		return nil, err
	}
	for _, m := range mutants {
		if m.kill.Defect != "" {
			continue
		}
		if err := p.registerMutant(m); err != nil {
			return nil, err
		}
	}
	return candidates, nil
}

// find finds the solution's files and the one that registers the reader's package.
func (p *program) find() error {
	relative := func(pattern string) ([]string, error) {
		files, err := filepath.Glob(filepath.Join(p.source.Root, pattern))
		for i, file := range files {
			files[i] = strings.TrimPrefix(file, p.source.Root+string(filepath.Separator))
		}
		return files, err
	}
	var err error
	if p.solution, err = relative("solutions/" + p.chapter.Name + "/*.go"); err != nil {
		return err
	}
	files, err := relative("chapters/" + p.chapter.Name + "/*.go")
	if err != nil {
		return err
	}
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(p.source.Root, file))
		if err != nil {
			return err
		}
		if strings.Contains(string(content), p.readersImport()) {
			p.register, p.template = file, string(content)
			return nil
		}
	}
	return fmt.Errorf("no file of chapters/%s imports %s to register it", p.chapter.Name, p.readersImport())
}

func (p *program) readersImport() string {
	return strconv.Quote(module + "exercises/" + p.chapter.Name)
}

// folder is where a mutant's package seems to be, below the root.
func (p *program) folder(m *candidate) string {
	return path.Join("solutions", p.chapter.Name, "mutants", m.impl())
}

// copySolution puts a copy of the solution, with the mutant's change, into the overlay.
func (p *program) copySolution(m *candidate) error {
	original := path.Join("solutions", p.chapter.Name, m.exercise.File)
	mutated, err := apply(filepath.Join(p.source.Root, original), m.mutant)
	if err != nil {
		return err
	}
	for _, file := range p.solution {
		p.source.Replace[path.Join(p.folder(m), path.Base(file))] = filepath.Join(p.source.Root, file)
	}
	return p.add(path.Join(p.folder(m), m.exercise.File), mutated)
}

// add puts a file into the overlay.
func (p *program) add(name, content string) error {
	stand := filepath.Join(p.dir, strings.ReplaceAll(name, "/", "_"))
	p.source.Replace[name] = stand
	return os.WriteFile(stand, []byte(content), 0o600)
}

// compile compiles everything but the registrations.
func (p *program) compile(ctx context.Context, mutants map[string]*candidate) error {
	var further []string
	for _, m := range mutants {
		further = append(further, "./"+p.folder(m))
	}
	packages, err := trial.List(ctx, p.source, p.dir, further...)
	if err != nil {
		return err
	}
	base := []string{p.template}
	for _, pkg := range packages {
		m, isMutant := mutants[pkg.ImportPath]
		switch {
		case isMutant && pkg.Error != nil:
			m.kill.How, m.kill.Defect = lab.Build, p.words(m, pkg.Error.Err)
		case isMutant:
			m.buildID = pkg.BuildID
		case pkg.Error != nil:
			return fmt.Errorf("%s does not compile:\n%s", pkg.ImportPath, pkg.Error.Err)
		default:
			base = append(base, pkg.ImportPath+" "+pkg.BuildID)
		}
	}
	slices.Sort(base)
	p.base = fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(base, "\n"))))
	return nil
}

// words are the compiler's, with the file's own name.
func (p *program) words(m *candidate, output string) string {
	file := path.Join(p.folder(m), m.exercise.File)
	return "does not compile:\n" + strings.ReplaceAll(output, p.source.Replace[file], m.exercise.File)
}

// registerMutant adds the mutant to the program's implementations.
func (p *program) registerMutant(m *candidate) error {
	content := strings.NewReplacer(
		"//go:build mine\n", "",
		p.readersImport(), strconv.Quote(module+p.folder(m)),
		`"mine"`, strconv.Quote(m.impl()),
	).Replace(p.template)
	return p.add(path.Join(path.Dir(p.register), "mutant_"+strings.ReplaceAll(m.impl(), "-", "_")+"_"+path.Base(p.register)), content)
}

var errNotOnce = errors.New("the text to find does not stand there exactly once")

// apply makes the mutant's one change. The text to find stands exactly once.
func apply(file string, m manifest.Mutant) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(content), m.Find); n != 1 {
		return "", fmt.Errorf("%w: %q stands %d times in %s", errNotOnce, m.Find, n, filepath.Base(file))
	}
	return strings.Replace(string(content), m.Find, m.Replace, 1), nil
}
