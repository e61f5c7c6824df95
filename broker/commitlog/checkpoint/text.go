package checkpoint

import (
	"fmt"
	"strconv"
	"strings"
)

// Version is the first line of Kafka's text checkpoints.
const Version = 0

// AppendText encodes a text checkpoint: the version, the number of lines, then the lines, each ended by a
// newline. leader-epoch-checkpoint and the offset checkpoints have this frame.
func AppendText(dst []byte, count int, line func(dst []byte, i int) []byte) []byte {
	dst = strconv.AppendInt(dst, Version, 10)
	dst = append(dst, '\n')
	dst = strconv.AppendInt(dst, int64(count), 10)
	dst = append(dst, '\n')
	for i := range count {
		dst = append(line(dst, i), '\n')
	}
	return dst
}

// ParseText decodes what AppendText wrote and hands each line to parse. An empty file has no lines: Kafka
// creates its checkpoints so. name goes into the errors, which are ErrCorrupt.
func ParseText(data []byte, name string, parse func(fields []string) error) error {
	if len(data) == 0 {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if v, err := strconv.Atoi(strings.TrimSpace(lines[0])); err != nil || v != Version {
		return fmt.Errorf("%w: %s:1: version %q, want %d", ErrCorrupt, name, lines[0], Version)
	}
	if len(lines) < 2 {
		return fmt.Errorf("%w: %s:2: no count of lines", ErrCorrupt, name)
	}
	count, err := strconv.Atoi(strings.TrimSpace(lines[1]))
	if err != nil || count < 0 {
		return fmt.Errorf("%w: %s:2: count %q", ErrCorrupt, name, lines[1])
	}
	if got := len(lines) - 2; got != count {
		return fmt.Errorf("%w: %s: %d lines announced, %d found", ErrCorrupt, name, count, got)
	}
	for i, line := range lines[2:] {
		if err := parse(strings.Fields(line)); err != nil {
			return fmt.Errorf("%w: %s:%d: %q: %w", ErrCorrupt, name, i+3, line, err)
		}
	}
	return nil
}
