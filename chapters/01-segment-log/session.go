package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/broker/vfs"
	"highwater.dev/workbook/lab"
)

// firstTime is the first batch's time; each batch is a second later than the one before, so that runs can be compared.
const firstTime model.TimestampMs = 1_700_000_000_000

// session is a log and the disk it is on.
type session struct {
	out     io.Writer
	impl    impl
	disk    vfs.FS
	mem     *vfs.Mem // the disk, when it can lose power
	dir     string
	opts    segment.Options
	log     segment.Log // nil after kill
	batches int
}

func (s *session) printf(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

func (s *session) open() (err error) {
	s.opts.Logger = slog.New(slog.NewTextHandler(s.out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	if s.log, err = s.impl.open(s.disk, s.dir, s.opts); err != nil {
		return err
	}
	start, end := s.log.Bounds()
	s.batches = max(s.batches, int(end))
	s.printf("  log %s: offsets %d to %d", s.dir, start, end)
	return nil
}

var errDead = errors.New("the machine is off: recover first")

// try does a command. That an exercise is still a stub is an error like another.
func (s *session) try(command string, args []string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := lab.Unstarted(r); !ok {
				panic(r)
			}
			err, _ = r.(error)
		}
	}()
	return s.do(command, args)
}

func (s *session) do(command string, args []string) error {
	if s.log == nil && command != "recover" && command != "careless" && command != "dump" {
		return errDead
	}
	switch command {
	case "append":
		return s.append(args)
	case "fill":
		n, err := number(args, 0, 0)
		for i := int64(0); i < n && err == nil; i++ {
			err = s.append([]string{fmt.Sprintf("record-%d", s.batches)})
		}
		return err
	case "flush":
		err := s.log.Flush()
		_, s.opts.RecoveryPoint = s.log.Bounds()
		s.printf("  durable up to offset %d", s.opts.RecoveryPoint)
		return err
	case "read":
		return s.read(args)
	case "time":
		return s.time(args)
	case "files":
		return s.files()
	case "dump":
		return s.dump()
	case "kill":
		return s.kill(args)
	case "careless":
		return s.careless(args)
	case "recover":
		s.opts.Clean = false
		return s.open()
	case "close":
		_, end := s.log.Bounds()
		err := s.log.Close()
		s.opts.Clean, s.opts.RecoveryPoint = true, end
		return errors.Join(err, s.open())
	default:
		return errors.New("no such command; -help lists them")
	}
}

// number is args[i], or otherwise when it is not there.
func number(args []string, i int, otherwise int64) (int64, error) {
	if i >= len(args) {
		return otherwise, nil
	}
	return strconv.ParseInt(args[i], 10, 64)
}

// batch makes the next batch at offset base: a record for each word.
func (s *session) batch(base model.Offset, words []string) (record.Batch, error) {
	if len(words) == 0 {
		words = []string{"hello"}
	}
	var records []record.Record
	for i, word := range words {
		records = append(records, record.Record{OffsetDelta: int32(i), TimestampDelta: int64(i), Value: []byte(word)})
	}
	s.batches++
	h := record.Header{BaseOffset: base, BaseTimestamp: firstTime + model.TimestampMs(s.batches)*1000, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1}
	return s.impl.codec.Encode(h, records)
}

func (s *session) append(words []string) error {
	_, end := s.log.Bounds()
	b, err := s.batch(end, words)
	if err != nil {
		return err
	}
	before := len(s.log.Segments())
	if err := s.log.Append(b); err != nil {
		return err
	}
	all := s.log.Segments()
	active := all[len(all)-1]
	rolled := ""
	if len(all) > before {
		rolled = " (rolled: a new segment)"
	}
	_, next := s.log.Bounds()
	s.printf("  offsets %d to %d: %d bytes at %d of %s%s", end, next-1, len(b), active.Bytes-int64(len(b)), segment.FileName(active.BaseOffset, ".log"), rolled)
	return nil
}

func (s *session) files() error {
	for _, info := range s.log.Segments() {
		s.printf("  %s  %5d bytes, offsets %d to %d, latest time %d", segment.FileName(info.BaseOffset, ".log"), info.Bytes, info.BaseOffset, info.EndOffset-1, info.MaxTimestamp)
	}
	names, err := s.disk.List(s.dir)
	s.printf("  in the folder: %s", strings.Join(names, " "))
	return err
}

func (s *session) read(args []string) error {
	from, err := number(args, 0, 0)
	maxBytes, merr := number(args, 1, 1<<20)
	if err = errors.Join(err, merr); err != nil {
		return err
	}
	_, end := s.log.Bounds()
	if err := s.trace(model.Offset(from)); err != nil {
		return err
	}
	r, err := s.log.Read(model.Offset(from), end, int(maxBytes))
	if err != nil {
		return err
	}
	defer r.Release()
	b := make([]byte, r.Len)
	if r.Len == 0 {
		s.printf("  nothing")
		return nil
	}
	if _, err := r.File.ReadAt(b, r.Pos); err != nil {
		return err
	}
	s.printf("  Read answers with %d bytes at %d: %s", r.Len, r.Pos, logtest.Describe(b))
	return s.records(b)
}

// records prints the records of the whole batches in b.
func (s *session) records(b []byte) error {
	var h record.Header
	for s.impl.codec.ReadHeader(b, &h) == nil && h.Size() <= len(b) {
		err := s.impl.codec.Each(b[:h.Size()], func(r *record.Record) bool {
			s.printf("    offset %d, time %d: %s", h.BaseOffset+model.Offset(r.OffsetDelta), h.BaseTimestamp+model.TimestampMs(r.TimestampDelta), r.Value)
			return true
		})
		if err != nil {
			return err
		}
		b = b[h.Size():]
	}
	return nil
}

func (s *session) time(args []string) error {
	ts, err := number(args, 0, int64(firstTime))
	if err != nil {
		return err
	}
	s.traceTime(model.TimestampMs(ts))
	at, found, err := s.log.OffsetForTime(model.TimestampMs(ts))
	if err != nil {
		return err
	}
	if !found {
		s.printf("  no record is that late")
		return nil
	}
	s.printf("  OffsetForTime answers offset %d, time %d", at.Offset, at.Timestamp)
	return s.trace(at.Offset)
}
