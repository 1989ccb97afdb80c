package tree

import (
	"bytes"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

const (
	bufSize = 256 << 10
	// blockSize is that of the file systems whose holes matter.
	blockSize = 4 << 10
)

var zeros [blockSize]byte

// content writes size bytes of r into an empty file, but for blocks of zeros.
func (b *Builder) content(fd int, size int64, r io.Reader) error {
	end := int64(0) // of what was written
	for at := int64(0); at < size; {
		chunk := b.buf[:min(size-at, bufSize)]
		if _, err := io.ReadFull(r, chunk); err != nil {
			return unfinished(err)
		}
		n, err := writeData(fd, chunk, at)
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if n > 0 {
			end = at + int64(n)
		}
		at += int64(len(chunk))
	}
	if end == size {
		return nil
	}
	if err := unix.Ftruncate(fd, size); err != nil {
		return fmt.Errorf("set size: %w", err)
	}
	return nil
}

// unfinished makes the end of what should go on an error.
func unfinished(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// writeData writes the runs of blocks in chunk that are not zero to a file, at an
// offset that is a multiple of the block size. It returns the end of the last one.
func writeData(fd int, chunk []byte, offset int64) (end int, err error) {
	for start := 0; start < len(chunk); {
		stop := min(start+blockSize, len(chunk))
		if isZero(chunk[start:stop]) {
			start = stop
			continue
		}
		for stop < len(chunk) && !isZero(chunk[stop:min(stop+blockSize, len(chunk))]) {
			stop = min(stop+blockSize, len(chunk))
		}
		if err := pwriteAll(fd, chunk[start:stop], offset+int64(start)); err != nil {
			return end, err
		}
		start, end = stop, stop
	}
	return end, nil
}

func isZero(b []byte) bool { return bytes.Equal(b, zeros[:len(b)]) }

// pwriteAll goes on after a part: a file system that fills up takes one first.
func pwriteAll(fd int, b []byte, offset int64) error {
	for len(b) > 0 {
		n, err := unix.Pwrite(fd, b, offset)
		if err != nil {
			return err
		}
		b, offset = b[n:], offset+int64(n)
	}
	return nil
}
