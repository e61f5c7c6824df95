package segment

import (
	"highwater.dev/broker/vfs"
)

// floor finds the last entry whose key is at most key and copies it to e. ok is false when there is none. lowest and
// highest are about what the first and the last key are, for a first guess; equal when not known.
func (x *index) floor(key, lowest, highest int64, e *[timeEntrySize]byte) (ok bool, err error) {
	x.mu.Lock()
	if err := x.load(); err != nil {
		x.mu.Unlock()
		return false, err
	}
	if i := x.floorIn(x.tail, key); i >= 0 {
		copy(e[:], x.tail[i*x.width:][:x.width])
		x.mu.Unlock()
		return true, nil
	}
	n := x.written
	if n == 0 {
		x.mu.Unlock()
		return false, nil
	}
	if err := x.open(); err != nil {
		x.mu.Unlock()
		return false, err
	}
	f := x.file
	f.Acquire()
	x.mu.Unlock()
	ok, err = x.floorInFile(f, n, key, lowest, highest, e)
	_ = f.Release()
	return ok, err
}

// floorIn is floor among the entries in b, by number, -1 for none.
func (x *index) floorIn(b []byte, key int64) int {
	lo, hi := 0, len(b)/x.width // entries below lo are at most key, those from hi on are above
	for lo < hi {
		mid := (lo + hi) / 2
		if x.entryKey(b[mid*x.width:]) <= key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo - 1
}

// floorInFile is floor among the first n entries of f. It reads whole pages, and guesses by interpolation
// where the key is: offsets grow evenly, so one or two reads do. Every other guess halves what is left, so that
// uneven keys cost no more than twice a binary search.
func (x *index) floorInFile(f vfs.File, n int, key, lowKey, highKey int64, e *[timeEntrySize]byte) (bool, error) {
	page := pagePool.Get().(*[pageBytes]byte)
	defer pagePool.Put(page)
	perPage := pageBytes / x.width
	lo, hi := 0, n // the answer's slot is in [lo-1, hi-1]; e holds slot lo-1
	for try := 0; lo < hi; try++ {
		at := lo + (hi-lo)/2
		if try%2 == 0 && lowKey <= key && key < highKey {
			at = lo + int(float64(hi-lo)*(float64(key-lowKey)/float64(highKey-lowKey)))
		}
		first := max(lo, min(at-perPage/2, hi-perPage))
		count := min(perPage, hi-first)
		b := page[:count*x.width]
		if err := readFull(f, b, int64(first)*int64(x.width)); err != nil {
			return false, err
		}
		i := x.floorIn(b, key)
		if i < 0 && first > lo {
			hi, highKey = first, x.entryKey(b)
			continue
		}
		if i >= 0 {
			copy(e[:], b[i*x.width:][:x.width])
		}
		if i < count-1 || first+count == hi {
			return first+i >= 0, nil
		}
		lo, lowKey = first+count, x.entryKey(b[i*x.width:])
	}
	return lo > 0, nil
}
