package apply

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/sendstream"
)

// errBeyond says that a place in a file is further than any file goes.
var errBeyond = errors.New("it is beyond the end of what a file can have")

// write writes what a command carries.
func (a *receiver) write(c *sendstream.Command) error { return a.writeAt(c.Path, c.Data, c.Offset) }

// writeAt writes data at an offset of a file.
func (a *receiver) writeAt(name string, data []byte, offset uint64) error {
	// Offsets of the kernel are signed: a larger one would be a negative one.
	if offset > math.MaxInt64-uint64(len(data)) {
		return errBeyond
	}
	fd, err := a.writable(name)
	if err != nil {
		return err
	}
	a.Bytes += int64(len(data))
	for at := int64(offset); len(data) > 0; {
		n, err := unix.Pwrite(fd, data, at)
		if err != nil {
			return err
		}
		data, at = data[n:], at+int64(n)
	}
	return nil
}

// truncate sets the size of a file. What it gains is a hole, as in the subvolume sent.
func (a *receiver) truncate(c *sendstream.Command) error {
	if c.Size > math.MaxInt64 {
		return errBeyond
	}
	fd, err := a.writable(c.Path)
	if err != nil {
		return err
	}
	return unix.Ftruncate(fd, int64(c.Size))
}

// clone lets a range of a file be that of another one, or of another place in it.
func (a *receiver) clone(c *sendstream.Command) error {
	if c.From.UUID != a.uuid {
		return errors.New("it clones from another subvolume: send without -c")
	}
	last := max(c.Offset, c.From.Offset)
	if last > math.MaxInt64 || c.From.Len > math.MaxInt64-last {
		return errBeyond
	}
	dst, err := a.writable(c.Path)
	if err != nil {
		return err
	}
	// It may be a FIFO, which would be waited for.
	src, err := a.openAt(c.From.Path, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return fmt.Errorf("open %.256q: %w", c.From.Path, err)
	}
	from := os.NewFile(uintptr(src), c.From.Path)
	defer from.Close()
	err = unix.IoctlFileCloneRange(dst, &unix.FileCloneRange{
		Src_fd: int64(src), Src_offset: c.From.Offset, Src_length: c.From.Len, Dest_offset: c.Offset,
	})
	switch err {
	case nil:
		a.Bytes += int64(c.From.Len)
		return nil
	case unix.EOPNOTSUPP, unix.ENOTTY, unix.EXDEV, unix.EINVAL:
		// Another file system, or blocks of another size than where it was sent.
		return a.copyRange(c, from)
	}
	return err
}

// copyRange copies where the file system shares no extents. It reads what it has written
// if the range overlaps itself, which btrfs never sends.
func (a *receiver) copyRange(c *sendstream.Command, from *os.File) error {
	buf := make([]byte, min(c.From.Len, 128<<10))
	for done := uint64(0); done < c.From.Len; {
		chunk := buf[:min(uint64(len(buf)), c.From.Len-done)]
		n, err := from.ReadAt(chunk, int64(c.From.Offset+done))
		if n == 0 && err == io.EOF {
			return fmt.Errorf("%.256q is too short to be cloned from", c.From.Path)
		}
		if err != nil && err != io.EOF {
			return err
		}
		if err := a.writeAt(c.Path, chunk[:n], c.Offset+done); err != nil {
			return err
		}
		done += uint64(n)
	}
	return nil
}
