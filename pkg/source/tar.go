package source

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/source/compress"
	"github.com/freshroot/freshroot/pkg/source/tree"
)

// maxTail bounds what may follow the end of an archive: tar fills its last record, with
// any size of records that a tape has.
const maxTail = 16 << 20

// errUnfinished says that an archive lacks its end.
var errUnfinished = errors.New("the archive is unfinished: fetch or make it again")

// counter counts what is read.
type counter struct {
	r    io.Reader
	read int64
}

// Read reads on.
func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.read += int64(n)
	return n, err
}

// watched tells how much was read, and ends when ctx is done: all that takes long reads
// through it.
type watched struct {
	counter
	ctx    context.Context
	report func(read int64)
}

// watch reads r with an eye on ctx.
func watch(ctx context.Context, r io.Reader, report func(read int64)) *watched {
	return &watched{counter{r: r}, ctx, report}
}

// Read reads on, or returns why ctx is done.
func (w *watched) Read(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.counter.Read(b)
	w.report(w.read)
	return n, err
}

// unpackTar unpacks a tar that is the whole of the source.
func (s *Source) unpackTar(ctx context.Context, dir *os.File, o Options) (Stats, error) {
	b, err := tree.New(dir)
	if err != nil {
		return Stats{}, err
	}
	defer b.Close()
	b.Devices = s.packed
	r, err := compress.NewReader(watch(ctx, s.reader(), o.Progress))
	if err != nil {
		return Stats{}, err
	}
	defer r.Close()
	err = addTar(b, r, false)
	if err == nil {
		err = b.Finish()
	}
	return statsOf(b), err
}

// statsOf returns what a builder has counted.
func statsOf(b *tree.Builder) Stats {
	return Stats{
		Dirs: b.Dirs, Files: b.Files, Links: b.Links, Others: b.Others,
		Bytes: b.Bytes, LostXattrs: b.LostXattrs,
	}
}

// addTar adds the entries of a tar to a tree. In a layer, some take away others. The
// stream is read to its end, so that its checksums are seen.
func addTar(b *tree.Builder, stream io.Reader, layer bool) error {
	c := &counter{r: bufio.NewReader(stream)}
	archive := tar.NewReader(c)
	for {
		before := c.read
		h, err := archive.Next()
		if err == io.EOF {
			return drain(c, c.read-before)
		}
		if err == nil {
			err = addEntry(b, h, archive, layer)
		}
		if err == nil {
			_, err = io.Copy(io.Discard, archive) // of what was left out
		}
		if err != nil {
			return explain(err)
		}
	}
}

// drain reads what follows the last entry, of which some bytes were read in search of
// one more. An archive ends with blocks of zeros: without one, it was cut off.
func drain(r io.Reader, found int64) error {
	if found < blockSize {
		return errUnfinished
	}
	n, err := io.Copy(io.Discard, io.LimitReader(r, maxTail))
	if err == nil && n == maxTail {
		return fmt.Errorf("more than %d MiB follow the end of the archive", maxTail>>20)
	}
	return explain(err)
}

// blockSize is that of tar.
const blockSize = 512

// explain gives the early end of whatever it was the same words.
func explain(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errUnfinished
	}
	return err
}

// addEntry adds an entry, whose content is r.
func addEntry(b *tree.Builder, h *tar.Header, r io.Reader, layer bool) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil // a comment, such as git's
	}
	if layer {
		if dir, base := path.Split(h.Name); strings.HasPrefix(base, whiteout) {
			return hide(b, dir, base)
		}
	}
	a, err := attributes(h)
	if err != nil {
		return fmt.Errorf("entry %.200q: %w", h.Name, err)
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		return b.File(h.Name, a, h.Size, r)
	case tar.TypeDir:
		return b.Dir(h.Name, a)
	case tar.TypeSymlink:
		return b.Symlink(h.Name, h.Linkname, a)
	case tar.TypeLink:
		return b.Link(h.Name, h.Linkname)
	case tar.TypeFifo:
		return b.Fifo(h.Name, a)
	case tar.TypeChar, tar.TypeBlock:
		device := unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))
		return b.Device(h.Name, a, deviceKinds[h.Typeflag], device)
	}
	return fmt.Errorf("entry %.200q is of type %q, which no tree has: "+
		"an incremental or multi-volume archive?", h.Name, h.Typeflag)
}

// deviceKinds are the types of device nodes, as mknod(2) has them.
var deviceKinds = map[byte]uint32{tar.TypeChar: unix.S_IFCHR, tar.TypeBlock: unix.S_IFBLK}

// The names of entries of layers that take something away
// (https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts).
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
	reserved = ".wh..wh." // of aufs, for itself
)

// hide does what an entry says that takes something of the layers below away.
func hide(b *tree.Builder, dir, base string) error {
	switch hidden := strings.TrimPrefix(base, whiteout); {
	case base == opaque:
		return b.Clear(path.Join(".", dir))
	case strings.HasPrefix(base, reserved):
		return nil
	case hidden == "" || hidden == "." || hidden == "..":
		return fmt.Errorf("whiteout %.200q of nothing", path.Join(dir, base))
	default:
		return b.Hide(dir + hidden)
	}
}
