package source

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/source/compress"
)

// nonblock keeps the opening of a FIFO from waiting for somebody to write to it.
const nonblock = unix.O_NONBLOCK

// Bounds of the index of an archive.
const (
	maxFiles = 20_000 // an image of 127 layers has some 500
	maxLinks = 8      // symbolic links on the way to a file
)

// archive is a tar whose files can be read in any order.
type archive struct {
	file  io.ReaderAt
	files map[string]span
	links map[string]string // symbolic links, with their targets
}

// span is where the content of a file is.
type span struct{ offset, size int64 }

// openArchive indexes the archive of an image. One that is compressed is decompressed
// first, for what is needed first may be at its end.
func (s *Source) openArchive(ctx context.Context, o *Options) (*files, error) {
	format, err := s.format()
	if err != nil {
		return nil, err
	}
	if format == compress.None {
		a, err := indexArchive(s.file, s.size)
		if err != nil {
			return nil, err
		}
		return &files{a.open, func() {}}, nil
	}
	f, size, err := s.decompress(ctx, o.Progress)
	if err != nil {
		return nil, fmt.Errorf("decompress it first: %w", err)
	}
	o.Progress = func(int64) {} // all was read
	a, err := indexArchive(f, size)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &files{a.open, func() { f.Close() }}, nil
}

// format tells how the file is compressed.
func (s *Source) format() (compress.Format, error) {
	head := make([]byte, compress.PeekSize)
	n, err := s.file.ReadAt(head, 0)
	if err == io.EOF {
		err = nil
	}
	return compress.Detect(head[:n]), err
}

// decompress writes what is compressed into a file that has no name, in the directory
// for temporary files.
func (s *Source) decompress(ctx context.Context, report func(int64)) (*os.File, int64, error) {
	r, err := compress.NewReader(watch(ctx, s.reader(), report))
	if err != nil {
		return nil, 0, err
	}
	defer r.Close()
	f, err := os.CreateTemp("", "freshroot-source-")
	if err != nil {
		return nil, 0, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, 0, err
	}
	size, err := io.Copy(f, r)
	if errors.Is(err, unix.ENOSPC) {
		err = fmt.Errorf("%w: set TMPDIR to where there is space", err)
	}
	if err != nil {
		f.Close()
		return nil, 0, explain(err)
	}
	return f, size, nil
}

// indexArchive finds the files of a tar.
func indexArchive(file io.ReaderAt, size int64) (*archive, error) {
	a := &archive{file, map[string]span{}, map[string]string{}}
	r := io.NewSectionReader(file, 0, size)
	entries := tar.NewReader(r)
	for end := int64(0); ; {
		h, err := entries.Next()
		at, seekErr := r.Seek(0, io.SeekCurrent)
		if err = errors.Join(err, seekErr); errors.Is(err, io.EOF) {
			return a, finished(at, end)
		}
		if err != nil {
			return nil, explain(err)
		}
		if len(a.files)+len(a.links) >= maxFiles {
			return nil, fmt.Errorf("more than %d files in the archive of an image", maxFiles)
		}
		a.add(h, at)
		end = at + h.Size
	}
}

// finished says whether an archive has an end: after the last entry, which ends
// somewhere in a block, there has to be a block more.
func finished(at, end int64) error {
	if at < end+blockSize {
		return errUnfinished
	}
	return nil
}

// add notes an entry whose content begins at an offset.
func (a *archive) add(h *tar.Header, at int64) {
	name := path.Clean(h.Name)
	switch h.Typeflag {
	case tar.TypeReg:
		a.files[name] = span{at, h.Size}
	case tar.TypeLink:
		a.links[name] = path.Clean(h.Linkname)
	case tar.TypeSymlink: // docker save has them for layers that several images share
		a.links[name] = path.Join(path.Dir(name), h.Linkname)
	}
}

// open opens a file of the archive.
func (a *archive) open(name string) (*io.SectionReader, error) {
	at := path.Clean(name)
	for range maxLinks {
		if s, ok := a.files[at]; ok {
			return io.NewSectionReader(a.file, s.offset, s.size), nil
		}
		target, ok := a.links[at]
		if !ok {
			break
		}
		at = target
	}
	return nil, fmt.Errorf("%q is not in the archive: %w", name, fs.ErrNotExist)
}
