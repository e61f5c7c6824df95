package segment

// firstFrom returns the first entry of an offset index whose batch begins at position pos or behind. ok is false when there
// is none.
func (x *index) firstFrom(pos int64) (en OffsetEntry, ok bool, err error) {
	page := pagePool.Get().(*[pageBytes]byte)
	defer pagePool.Put(page)
	x.mu.Lock()
	defer x.mu.Unlock()
	i, n, err := x.below(pos, page)
	if err != nil || i == n {
		return en, false, err
	}
	en, err = x.offsetEntry(i, page)
	return en, err == nil, err
}

// lastBelow returns the last entry of an offset index whose batch begins before position pos, and a zero one when there is none.
// ok is false when the index has more than most entries.
func (x *index) lastBelow(pos int64, most int) (en OffsetEntry, ok bool, err error) {
	page := pagePool.Get().(*[pageBytes]byte)
	defer pagePool.Put(page)
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.load(); err != nil || x.entries() > most {
		return en, false, err
	}
	i, _, err := x.below(pos, page)
	if err != nil || i == 0 {
		return en, err == nil, err
	}
	en, err = x.offsetEntry(i-1, page)
	return en, err == nil, err
}

// below counts the entries of an offset index whose batches begin before position pos, and all entries. The caller holds mu and
// lends a page to read into.
func (x *index) below(pos int64, page *[pageBytes]byte) (i, n int, err error) {
	if err := x.load(); err != nil {
		return 0, 0, err
	}
	n = x.entries()
	lo, hi := 0, n
	for lo < hi {
		mid := (lo + hi) / 2
		en, err := x.offsetEntry(mid, page)
		if err != nil {
			return 0, 0, err
		}
		if en.Position >= pos {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo, n, nil
}

// offsetEntry reads entry i of an offset index. The caller holds mu and lends a page to read into.
func (x *index) offsetEntry(i int, page *[pageBytes]byte) (OffsetEntry, error) {
	e := (*[timeEntrySize]byte)(page[:])
	if err := x.entry(i, e); err != nil {
		return OffsetEntry{}, err
	}
	return decodeOffsetEntry(e[:], x.base), nil
}
