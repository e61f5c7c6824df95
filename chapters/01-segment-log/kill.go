package main

import (
	"errors"
	"strconv"
	"strings"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/workbook/lab"
)

// kill is a power cut on the disk in memory, and on real files the end of the process with a tail that is torn.
func (s *session) kill(args []string) error {
	seed, err := number(args, 0, 0)
	if err != nil {
		return err
	}
	s.log = nil
	if s.mem == nil {
		err = s.tear()
	} else {
		s.cut(uint64(seed), len(args) > 0)
	}
	s.printf("  the power is gone. Everything below offset %d was flushed.", s.opts.RecoveryPoint)
	return errors.Join(err, s.dump())
}

// cut takes what a disk without power would have kept. Without a seed it looks for a cut that leaves a part of a batch: most leave the
// last one whole, or nothing of it.
func (s *session) cut(seed uint64, chosen bool) {
	before, zeros := s.mem, seed
	for try := seed; try < seed+500; try++ {
		s.mem = before.CrashClone(try, 50)
		s.disk = s.mem
		base, err := s.lastBase()
		b, rerr := s.bytesOf(base)
		whole, tail := wholeBatches(b)
		if chosen || err == nil && rerr == nil && tail > 0 && len(whole) > 0 && tail > 16 && b[len(b)-tail+16] == 2 {
			return
		}
		if err == nil && rerr == nil && tail > 0 {
			zeros = try
		}
	}
	s.mem = before.CrashClone(zeros, 50)
	s.disk = s.mem
}

// tear cuts a real file in the middle of its last batch.
func (s *session) tear() error {
	base, err := s.lastBase()
	if err != nil {
		return err
	}
	b, err := s.bytesOf(base)
	whole, _ := wholeBatches(b)
	if err != nil || len(whole) == 0 {
		return err
	}
	last := whole[len(whole)-1]
	if last.header.BaseOffset < s.opts.RecoveryPoint {
		return nil // it was flushed: no power cut takes it
	}
	f, err := s.disk.OpenReadWrite(s.dir + "/" + segment.FileName(base, ".log"))
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(last.pos+int64(last.header.Size())/2), f.Close())
}

// lastBase finds the last segment in the folder.
func (s *session) lastBase() (last model.Offset, err error) {
	names, err := s.disk.List(s.dir)
	found := false
	for _, name := range names {
		if digits, isLog := strings.CutSuffix(name, ".log"); isLog {
			base, perr := strconv.ParseInt(digits, 10, 64)
			last, err, found = model.Offset(base), errors.Join(err, perr), true
		}
	}
	if !found {
		return 0, errors.Join(err, errors.New("no .log file is left"))
	}
	return last, err
}

// wholeBatches lists the batches at the start of b whose CRC is right, and how many bytes are behind them.
func wholeBatches(b []byte) (whole []entry, tail int) {
	var e entry
	for record.ReadHeader(b[e.pos:], &e.header) == nil && e.header.Size() <= len(b)-int(e.pos) {
		if record.Batch(b[e.pos:e.pos+int64(e.header.Size())]).CheckCRC() != nil {
			break
		}
		whole = append(whole, e)
		e.pos += int64(e.header.Size())
	}
	return whole, len(b) - int(e.pos)
}

var fields = []lab.Field{
	{Name: "base offset", Len: 8}, {Name: "length", Len: 4}, {Name: "leader epoch", Len: 4}, {Name: "magic", Len: 1}, {Name: "CRC-32C", Len: 4},
	{Name: "attributes", Len: 2}, {Name: "last offset delta", Len: 4}, {Name: "base timestamp", Len: 8}, {Name: "max timestamp", Len: 8},
	{Name: "producer id", Len: 8}, {Name: "producer epoch", Len: 2}, {Name: "base sequence", Len: 4}, {Name: "count", Len: 4},
}

// dump shows the last segment's last bytes.
func (s *session) dump() error {
	base, err := s.lastBase()
	if err != nil {
		return err
	}
	b, err := s.bytesOf(base)
	if err != nil {
		return err
	}
	whole, tail := wholeBatches(b)
	s.printf("  %s, %d bytes: %s", segment.FileName(base, ".log"), len(b), logtest.Describe(b))
	from, what := len(b)-tail, "the last %d bytes are no whole batch:"
	if tail == 0 && len(whole) > 0 {
		from, what = int(whole[len(whole)-1].pos), "the last batch, %d bytes:"
	}
	if from < len(b) {
		s.printf("  "+what+"\n%s", len(b)-from, strings.TrimRight(lab.Picture(b[from:], fields, -1), "\n"))
	}
	return nil
}

// careless writes a batch at the end of the file, as a log would that trusts its files' sizes.
func (s *session) careless(words []string) error {
	base, err := s.lastBase()
	if err != nil {
		return err
	}
	b, err := s.bytesOf(base)
	if err != nil {
		return err
	}
	whole, _ := wholeBatches(b)
	next := base
	if len(whole) > 0 {
		next = whole[len(whole)-1].header.NextOffset()
	}
	batch, err := s.batch(next, words)
	if err != nil {
		return err
	}
	f, err := s.disk.OpenReadWrite(s.dir + "/" + segment.FileName(base, ".log"))
	if err != nil {
		return err
	}
	_, err = f.WriteAt(batch, int64(len(b)))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	s.printf("  a good batch %d..%d, %d bytes, written at %d. Acknowledged. And read back:", next, next+model.Offset(max(1, len(words)))-1, len(batch), len(b))
	return s.dump()
}
