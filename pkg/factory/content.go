package factory

import (
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// content copies the bytes of a regular file. read and write were measured
// against sendfile and copy_file_range: for files of a few KiB from ext4 or
// btrfs to tmpfs they are as fast (copy_file_range fails between file systems
// of two types), from ext4 to ext4 they are faster.
func (w *worker) content(dst int, l *leaf) error {
	if l.st.Size == 0 {
		return nil
	}
	if cloned, err := l.clone(dst); cloned || err != nil {
		return err
	}
	if l.st.Blocks*512 < l.st.Size { // only then is it worth asking for holes
		return w.sparse(dst, l.src.fd, l.st.Size)
	}
	return w.span(dst, l.src.fd, l.st.Size)
}

// clone lets the copy share the extents of the original, where it can.
func (l *leaf) clone(dst int) (bool, error) {
	if l.dir.fs.noClone.Load() {
		return false, nil
	}
	switch err := unix.IoctlFileClone(dst, l.src.fd); err {
	case nil:
		return true, nil
	case unix.EINVAL: // this file cannot, such as one without checksums
		return false, nil
	case unix.EXDEV, unix.EOPNOTSUPP, unix.ENOTTY:
		l.dir.fs.noClone.Store(true)
		return false, nil
	default:
		return false, fmt.Errorf("clone: %w", err)
	}
}

// sparse copies the data between the holes, and the size.
func (w *worker) sparse(dst, src int, size int64) error {
	for end := int64(0); end < size; {
		start, err := unix.Seek(src, end, unix.SEEK_DATA)
		if err == unix.ENXIO { // nothing but a hole is left
			break
		}
		if err != nil {
			return fmt.Errorf("seek data: %w", err)
		}
		if end, err = unix.Seek(src, start, unix.SEEK_HOLE); err != nil {
			return fmt.Errorf("seek hole: %w", err)
		}
		end = min(end, size)
		if err := w.spanAt(dst, src, start, end); err != nil {
			return err
		}
	}
	if err := unix.Ftruncate(dst, size); err != nil {
		return fmt.Errorf("set size: %w", err)
	}
	return nil
}

// spanAt copies the bytes from start to end.
func (w *worker) spanAt(dst, src int, start, end int64) error {
	for _, fd := range []int{src, dst} {
		if _, err := unix.Seek(fd, start, unix.SEEK_SET); err != nil {
			return fmt.Errorf("seek: %w", err)
		}
	}
	return w.span(dst, src, end-start)
}

// span copies the next size bytes.
func (w *worker) span(dst, src int, size int64) error {
	for size > 0 {
		n, err := read(src, w.buf[:min(size, dataSize)])
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if n == 0 {
			return fmt.Errorf("read: %w", io.ErrUnexpectedEOF)
		}
		if err := writeAll(dst, w.buf[:n]); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		size -= int64(n)
	}
	return nil
}

// writeAll goes on after a part: a file system that fills up takes one first.
func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := write(fd, b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
