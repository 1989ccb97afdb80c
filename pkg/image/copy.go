package image

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// copyData copies what of a file is no hole to an offset of another one, tells how far it
// is, and stops when it is told to.
func copyData(ctx context.Context, to *os.File, offset int64, from *os.File, progress Progress) error {
	size, err := from.Seek(0, unix.SEEK_END)
	if err != nil {
		return err
	}
	for at := int64(0); ; {
		begin, err := from.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // nothing but a hole
		} else if err != nil {
			return err
		}
		if at, err = from.Seek(begin, unix.SEEK_HOLE); err != nil {
			return err
		}
		err = copyRange(ctx, to, offset, from, begin, at, func(done int64) {
			if progress != nil {
				progress("copy", done, size)
			}
		})
		if err != nil {
			return err
		}
	}
}

// copyRange copies a part of a file to the same place of another one, which begins at an offset.
func copyRange(ctx context.Context, to *os.File, offset int64, from *os.File, at, end int64, tell func(int64)) error {
	buf := make([]byte, min(mib, end-at))
	for at < end {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := buf[:min(int64(len(buf)), end-at)]
		if _, err := from.ReadAt(part, at); err != nil {
			return err
		}
		if _, err := to.WriteAt(part, offset+at); err != nil {
			return err
		}
		at += int64(len(part))
		tell(at)
	}
	return nil
}
