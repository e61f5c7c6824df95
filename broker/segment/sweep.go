package segment

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
)

// sweep settles what an interrupted deletion, cleaning or swap left behind, as Apache Kafka does:
// .deleted files go; .cleaned files go, and with them .swap files from the smallest .cleaned offset on (a swap
// that never got all its files); the .swap files left replace the segments whose offsets they cover.
func (l *store) sweep() error {
	names, err := l.fs.List(l.dir)
	if err != nil {
		return err
	}
	var swaps []string
	minCleaned := model.Offset(math.MaxInt64)
	var remove []string
	for _, name := range names {
		base, suffix, ok := parseName(name)
		switch {
		case !ok:
		case strings.HasSuffix(suffix, deletedSuffix):
			remove = append(remove, name)
		case strings.HasSuffix(suffix, cleanedSuffix):
			minCleaned = min(minCleaned, base)
			remove = append(remove, name)
		case strings.HasSuffix(suffix, swapSuffix):
			swaps = append(swaps, name)
		}
	}
	if len(remove)+len(swaps) == 0 {
		return nil
	}
	valid := swaps[:0:0]
	for _, name := range swaps {
		if base, _, _ := parseName(name); base >= minCleaned {
			remove = append(remove, name)
		} else {
			valid = append(valid, name)
		}
	}
	if err := l.removeNames(remove); err != nil {
		return err
	}
	return l.finishSwap(names, valid)
}

func (l *store) removeNames(names []string) error {
	for _, name := range names {
		if err := ignoreMissing(l.fs.Remove(l.dir + "/" + name)); err != nil {
			return err
		}
	}
	return l.fs.SyncDir(l.dir)
}

// finishSwap removes the segments that the .swap files replace, and gives those their names. names is all of the folder.
func (l *store) finishSwap(names, swaps []string) error {
	if len(swaps) == 0 {
		return nil
	}
	from, to := model.Offset(math.MaxInt64), model.Offset(math.MinInt64)
	for _, name := range swaps {
		base, suffix, _ := parseName(name)
		if suffix != logSuffix+swapSuffix {
			continue
		}
		end, err := l.endOf(name, base)
		if err != nil {
			return err
		}
		from, to = min(from, base), max(to, end)
	}
	var replaced []string
	for _, name := range names {
		base, suffix, ok := parseName(name)
		if !ok || base < from || base >= to {
			continue
		}
		switch suffix {
		case logSuffix, indexSuffix, timeIndexSuffix, txnIndexSuffix:
			replaced = append(replaced, name)
		}
	}
	l.warn("finishing an interrupted swap of segments", slog.String("dir", l.dir), slog.Int("files", len(swaps)),
		slog.Int("replaced", len(replaced)))
	if err := l.removeNames(replaced); err != nil {
		return err
	}
	for _, name := range swaps {
		if err := l.fs.Rename(l.dir+"/"+name, l.dir+"/"+strings.TrimSuffix(name, swapSuffix)); err != nil {
			return err
		}
	}
	return l.fs.SyncDir(l.dir)
}

// endOf finds the offset after the last batch in the .log file name, whose first possible offset is base.
func (l *store) endOf(name string, base model.Offset) (model.Offset, error) {
	f, err := l.fs.Open(l.dir + "/" + name)
	if err != nil {
		return 0, err
	}
	defer closeFile(f)
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	w := walk(f, 0, size)
	defer w.done()
	var h record.Header
	for end := base; ; end = h.NextOffset() {
		if _, err := w.next(&h); errors.Is(err, io.EOF) {
			return end, nil
		} else if err != nil {
			return 0, fmt.Errorf("%s at %d: %w", name, w.pos, err)
		}
	}
}
