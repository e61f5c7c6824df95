package class

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// What an archive may hold. A learner's exercises are a few dozen files of a few kilobytes; a whole checkout is some megabytes.
const (
	maxEntries      = 20_000
	maxUnpacked     = 64 << 20 // bytes, everything together
	maxRatio        = 200      // unpacked to packed
	freeOfRatio     = 1 << 20  // bytes that may be unpacked whatever the ratio
	maxArchiveBytes = 64 << 20
)

// errRefused is wrapped by every sentence that refuses a submission for what it is.
var errRefused = errors.New("refused")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errRefused, fmt.Sprintf(format, args...))
}

// archiveSuffixes are the archives that are read, and what they are called.
var archiveSuffixes = []string{".tar.gz", ".tgz", ".tar", ".zip"}

// unpack writes an archive's Go files below dir. Names that lead out of it, links out of it, devices, and more than the limits
// refuse the archive as a whole; links inside of it are left out.
func unpack(archive, dir string) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), root.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() > maxArchiveBytes {
		return refuse("the archive has %d MiB, at most %d are read", info.Size()>>20, maxArchiveBytes>>20)
	}
	u := &unpacker{root: root, left: min(maxUnpacked, max(freeOfRatio, maxRatio*info.Size()))}
	switch {
	case strings.HasSuffix(archive, ".zip"):
		return u.zip(f, info.Size())
	case strings.HasSuffix(archive, ".tar"):
		return u.tar(f)
	default:
		packed, err := gzip.NewReader(f)
		if err != nil {
			return refuse("it is not a gzip file: %v", err)
		}
		return u.tar(packed)
	}
}

// unpacker counts while it writes.
type unpacker struct {
	root    *os.Root
	entries int
	left    int64 // bytes that may still be unpacked
}

func (u *unpacker) zip(f io.ReaderAt, size int64) error {
	z, err := zip.NewReader(f, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // the names are looked at below
		return refuse("it is not a zip file: %v", err)
	}
	for _, entry := range z.File {
		kind := entry.Mode().Type()
		if kind == fs.ModeSymlink {
			target, err := readLink(entry)
			if err != nil {
				return err
			}
			if err := u.link(entry.Name, path.Join(path.Dir(entry.Name), target), target); err != nil {
				return err
			}
			continue
		}
		err := u.entry(entry.Name, kind, func() (io.Reader, func() error, error) {
			r, err := entry.Open()
			if err != nil {
				return nil, nil, refuse("%s cannot be read: %v", entry.Name, err)
			}
			return r, r.Close, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readLink reads a zip entry that holds a symbolic link's target.
func readLink(entry *zip.File) (string, error) {
	r, err := entry.Open()
	if err != nil {
		return "", refuse("%s cannot be read: %v", entry.Name, err)
	}
	target, err := io.ReadAll(io.LimitReader(r, 4096))
	if err := errors.Join(err, r.Close()); err != nil {
		return "", refuse("%s cannot be read: %v", entry.Name, err)
	}
	return string(target), nil
}

func (u *unpacker) tar(r io.Reader) error {
	counted := &io.LimitedReader{R: r, N: u.left + 1} // headers and files that are left out, too
	for t := tar.NewReader(counted); ; {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case counted.N <= 0:
			return u.tooMuch()
		case err != nil && !errors.Is(err, tar.ErrInsecurePath):
			return refuse("it is not a tar file, or damaged: %v", err)
		}
		switch h.Typeflag {
		case tar.TypeXGlobalHeader:
			continue
		case tar.TypeSymlink:
			err = u.link(h.Name, path.Join(path.Dir(h.Name), h.Linkname), h.Linkname)
		case tar.TypeLink:
			err = u.link(h.Name, h.Linkname, h.Linkname)
		default:
			err = u.entry(h.Name, h.FileInfo().Mode().Type(), func() (io.Reader, func() error, error) {
				return t, func() error { return nil }, nil
			})
		}
		if counted.N <= 0 {
			return u.tooMuch()
		}
		if err != nil {
			return err
		}
	}
}

func (u *unpacker) tooMuch() error {
	return refuse("it unpacks to more than is read (at most %d MiB, and %d times its own size)", maxUnpacked>>20, maxRatio)
}

// count looks at an entry's name and number.
func (u *unpacker) count(name string) error {
	if u.entries++; u.entries > maxEntries {
		return refuse("it holds more than %d files", maxEntries)
	}
	clean := strings.TrimSuffix(strings.TrimPrefix(name, "./"), "/")
	if clean == "" || clean == "." {
		return nil
	}
	if path.IsAbs(name) || strings.Contains(name, `\`) || !filepath.IsLocal(clean) || strings.ContainsRune(name, 0) {
		return refuse("the name %q leads out of the archive", name)
	}
	return nil
}

// link refuses a link out of the archive. Others are left out: no exercise is a link.
func (u *unpacker) link(name, resolved, target string) error {
	if err := u.count(name); err != nil {
		return err
	}
	if path.IsAbs(target) || strings.Contains(target, `\`) || !filepath.IsLocal(path.Clean(resolved)) {
		return refuse("the link %q leads out of the archive, to %q", name, target)
	}
	return nil
}

// entry unpacks a plain Go file and refuses devices, pipes and sockets.
func (u *unpacker) entry(name string, kind fs.FileMode, open func() (io.Reader, func() error, error)) error {
	if err := u.count(name); err != nil {
		return err
	}
	switch {
	case kind == fs.ModeDir:
		return nil
	case kind != 0:
		return refuse("%q is neither a file nor a folder", name)
	case !strings.HasSuffix(name, ".go"):
		return nil
	}
	r, closeEntry, err := open()
	if err != nil {
		return err
	}
	name = path.Clean(name)
	if err := u.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return refuse("%q cannot be unpacked: %v", name, err)
	}
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return refuse("%q cannot be unpacked (does it stand there twice?): %v", name, err)
	}
	n, err := io.Copy(f, io.LimitReader(r, u.left+1))
	u.left -= n
	err = errors.Join(err, closeEntry(), f.Close())
	switch {
	case u.left < 0:
		return u.tooMuch()
	case err != nil:
		return refuse("%q is damaged: %v", name, err)
	}
	return nil
}
