package segment

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"highwater.dev/broker/model"
)

// Suffixes of a segment's files, Kafka's.
const (
	logSuffix       = ".log"
	indexSuffix     = ".index"
	timeIndexSuffix = ".timeindex"
	txnIndexSuffix  = ".txnindex"

	// What an interrupted deletion, cleaning or swap leaves behind another suffix.
	deletedSuffix = ".deleted"
	cleanedSuffix = ".cleaned"
	swapSuffix    = ".swap"
)

// FileName returns the name of a segment's file: the base offset in twenty digits, and suffix.
func FileName(base model.Offset, suffix string) string {
	return fmt.Sprintf("%020d%s", int64(base), suffix)
}

func filePath(dir string, base model.Offset, suffix string) string {
	return path.Join(dir, FileName(base, suffix))
}

// parseName splits a file's name into base offset and suffix. ok is false for names that are not of this form.
func parseName(name string) (base model.Offset, suffix string, ok bool) {
	digits, rest, found := strings.Cut(name, ".")
	if !found || len(digits) != 20 {
		return 0, "", false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return 0, "", false
	}
	return model.Offset(n), "." + rest, true
}
