package dump

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"highwater.dev/broker/commitlog/checkpoint"
	"highwater.dev/broker/epoch"
	"highwater.dev/broker/model"
	"highwater.dev/broker/producer"
	"highwater.dev/broker/vfs"
)

// ErrDamaged says that the file contradicts itself or its neighbour. What is wrong was printed, with the place.
var ErrDamaged = errors.New("dump: file is damaged")

// ErrUnknown says that the file's name is none that a broker gives.
var ErrUnknown = errors.New("dump: not a file that a broker keeps")

// Options say how much to print.
type Options struct {
	Records    bool // each record, not only batches; checks the records too
	Values     bool // keys, values and headers; implies Records
	IndexCheck bool // compare each index entry with the .log file beside it
}

// File prints the file name to out. Errors: ErrDamaged after everything that could be read was printed; ErrUnknown; I/O.
func File(fs vfs.FS, name string, o Options, out io.Writer) error {
	info, err := fs.Stat(name)
	if err != nil {
		return err
	}
	if info.Dir {
		return fmt.Errorf("%w: %s is a folder; name the files in it", ErrUnknown, name)
	}
	f, err := fs.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // opened for reading: nothing can be lost
	size, err := f.Size()
	if err != nil {
		return err
	}
	o.Records = o.Records || o.Values
	w := bufio.NewWriter(out)
	d := &dumper{fs: fs, name: name, file: f, size: size, o: o, out: w}
	err = d.dump()
	if err := w.Flush(); err != nil {
		return err
	}
	if err == nil && d.damage > 0 {
		err = fmt.Errorf("%w: %s: %s", ErrDamaged, name, plural(d.damage, "problem"))
	}
	return err
}

// dumper prints one file.
type dumper struct {
	fs     vfs.FS
	name   string
	file   vfs.File
	size   int64
	o      Options
	out    *bufio.Writer
	damage int
}

func (d *dumper) printf(format string, args ...any) { fmt.Fprintf(d.out, format, args...) }

// damaged prints what is wrong at a byte position (-1: of no one place).
func (d *dumper) damaged(at int64, format string, args ...any) {
	d.damage++
	where := ""
	if at >= 0 {
		where = fmt.Sprintf("at byte %d: ", at)
	}
	d.printf("DAMAGED %s%s\n", where, fmt.Sprintf(format, args...))
}

func (d *dumper) dump() error {
	base, kind := split(path.Base(d.name))
	switch kind {
	case ".log":
		return d.log(base)
	case ".index":
		return d.offsetIndex(base)
	case ".timeindex":
		return d.timeIndex(base)
	case ".txnindex":
		return d.txnIndex()
	case ".snapshot":
		return d.text("producer snapshot", d.snapshot)
	case "leader-epoch-checkpoint":
		return d.text("leader epochs", d.epochs)
	case checkpoint.RecoveryPoints, checkpoint.HighWatermarks, checkpoint.LogStarts, checkpoint.CleanerOffsets:
		return d.text("offsets of partitions", d.offsets)
	case checkpoint.PartitionMetadata:
		return d.text("partition metadata", d.partitionMetadata)
	case checkpoint.MetaProperties:
		return d.text("log dir", d.meta)
	case checkpoint.CleanShutdown, "quorum-state":
		return d.text("JSON", d.json)
	default:
		return fmt.Errorf("%w: %s", ErrUnknown, d.name)
	}
}

// split finds out what a file is by its name: its base offset and suffix, or the name itself. What an
// interrupted deletion or swap put behind the name does not count. KRaft's snapshots (offset-epoch.checkpoint, and
// bootstrap.checkpoint) are logs.
func split(name string) (base model.Offset, kind string) {
	for _, marker := range []string{".deleted", ".swap", ".cleaned", ".tmp"} {
		name = strings.TrimSuffix(name, marker)
	}
	if name == "bootstrap.checkpoint" {
		return 0, ".log"
	}
	digits, suffix, _ := strings.Cut(name, ".")
	if offset, epoch, ok := strings.Cut(digits, "-"); ok && suffix == "checkpoint" && len(offset) == 20 && len(epoch) == 10 {
		return 0, ".log"
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || len(digits) != 20 || n < 0 {
		return 0, name
	}
	return model.Offset(n), "." + suffix
}

// text reads a small file and prints it by show, whose error is damage.
func (d *dumper) text(what string, show func(data []byte) error) error {
	data, err := checkpoint.ReadFile(d.fs, d.name)
	if err != nil && !errors.Is(err, checkpoint.ErrCorrupt) {
		return err
	}
	d.printf("%s: %s, %d bytes\n", d.name, what, d.size)
	if err == nil {
		err = show(data)
	}
	if err != nil {
		d.damaged(-1, "%v", err)
	}
	return nil
}

func (d *dumper) snapshot(data []byte) error {
	producers, err := producer.ParseSnapshot(data)
	for _, p := range producers {
		d.printf("producer %d epoch %d: last sequence %d, last offset %d, last batch of %s, at %s, coordinator epoch %d",
			p.ID, p.Epoch, p.LastSequence, p.LastOffset, plural(int(p.LastDelta)+1, "record"), when(p.LastTimestamp), p.CoordinatorEpoch)
		if p.TxnStart >= 0 {
			d.printf(", open transaction from offset %d", p.TxnStart)
		}
		d.printf("\n")
	}
	return err
}

func (d *dumper) epochs(data []byte) error {
	entries, err := epoch.Parse(data, d.name)
	for _, e := range entries {
		d.printf("leader epoch %d starts at offset %d\n", e.Epoch, e.Start)
	}
	return err
}

func (d *dumper) offsets(data []byte) error {
	if _, err := checkpoint.ParseOffsets(data, d.name); err != nil {
		return err
	}
	return checkpoint.ParseText(data, d.name, func(fields []string) error {
		d.printf("%s-%s: %s\n", fields[0], fields[1], fields[2])
		return nil
	})
}

func (d *dumper) partitionMetadata(data []byte) error {
	id, err := checkpoint.ParsePartitionMetadata(data, d.name)
	if err == nil {
		d.printf("topic id %s\n", id)
	}
	return err
}

func (d *dumper) meta(data []byte) error {
	m, err := checkpoint.ParseMeta(data, d.name)
	if err == nil {
		d.printf("node %d, cluster %s, directory %s\n", m.NodeID, m.ClusterID, m.DirectoryID)
	}
	return err
}

func (d *dumper) json(data []byte) error {
	if !json.Valid(data) {
		return errors.New("not JSON")
	}
	d.printf("%s\n", bytes.TrimSpace(data))
	return nil
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
