package segment

import (
	"errors"
	"fmt"
	"path"
	"slices"
)

// Flush implements Log. Appends go on beside it. Several callers at once take turns; who comes second finds
// nothing left to do. Of the active segment only the .log is synced: recovery rebuilds its indexes. The
// indexes of sealed segments are synced: recovery passes those below the recovery point by.
func (l *store) Flush() error {
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	l.mu.Lock()
	last := l.active() // what is appended behind it from now on is not this call's
	l.mu.Unlock()
	for done := false; !done; {
		l.mu.Lock()
		err, s := l.usable(), last
		if len(l.unsynced) > 0 && l.unsynced[0].base <= last.base {
			s = l.unsynced[0]
		}
		size, cuts, dirty := s.size, s.cuts, s.flushed < s.size
		l.mu.Unlock()
		if err == nil && dirty {
			err = l.syncLog(s, size, cuts)
		}
		complete := true
		if err == nil {
			complete, err = l.syncSealed(s)
		}
		if err != nil {
			return err
		}
		done = complete && s == last
	}
	l.mu.Lock()
	dirty := l.dirty
	l.mu.Unlock()
	if dirty {
		return l.syncDir()
	}
	return nil
}

// syncLog makes the first size bytes of s durable.
func (l *store) syncLog(s *segment, size int64, cuts int) error {
	f, err := s.acquire()
	if err == nil {
		err = f.Sync()
		_ = f.Release()
	}
	// A segment that was trimmed or truncated away meanwhile has nothing to keep.
	if err != nil && !errors.Is(err, ErrOffsetOutOfRange) {
		return l.fail(fmt.Errorf("sync %s: %w", s.path(logSuffix), err))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.cuts == cuts {
		s.flushed = max(s.flushed, size)
	}
	return nil
}

// syncSealed makes the indexes of s durable, if it is sealed by now, and strikes it off Flush's list. complete is false when s grew
// before it was sealed: its .log is to be synced once more.
func (l *store) syncSealed(s *segment) (complete bool, err error) {
	l.mu.Lock()
	sealed, rest := s.sealed, s.flushed < s.size
	l.mu.Unlock()
	if !sealed || rest {
		return !sealed, nil
	}
	if err := l.syncIndexes(s); err != nil {
		return false, err
	}
	s.offsets.close()
	s.times.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	s.synced = true
	l.forgetUnsynced(s)
	return true, nil
}

// forgetUnsynced strikes s off Flush's list. The caller holds mu.
func (l *store) forgetUnsynced(s *segment) {
	if i := slices.Index(l.unsynced, s); i >= 0 {
		l.unsynced = slices.Delete(l.unsynced, i, i+1)
	}
}

// syncDir makes the folder's names durable, and the first time its own name in the folder above.
func (l *store) syncDir() error {
	l.mu.Lock()
	parent := l.parent
	l.dirty, l.parent = false, false
	l.mu.Unlock()
	err := l.fs.SyncDir(l.dir)
	if err == nil && parent {
		err = l.fs.SyncDir(path.Dir(l.dir))
	}
	if err != nil {
		return l.fail(fmt.Errorf("sync %s: %w", l.dir, err))
	}
	return nil
}
