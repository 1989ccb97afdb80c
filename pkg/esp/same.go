package esp

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
)

// same says whether a file is there and has the same content, from an offset on. What
// follows the content, such as a signature, does not count then. A FAT has neither
// checksums nor a journal, and a time says little of a golden master: so all is read.
func (s *State) same(path string, f File, from int64) (bool, error) {
	size, found := s.sizes[path]
	if !found || size < f.Size || from == 0 && size != f.Size {
		return false, nil
	}
	there, err := s.fsys.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	defer there.Close()
	want, err := f.Open()
	if err != nil {
		return false, err
	}
	defer want.Close()
	for _, r := range []io.Reader{there, want} {
		if _, err := io.CopyN(io.Discard, r, from); err != nil {
			return false, err
		}
	}
	return equal(io.LimitReader(there, f.Size-from), want)
}

// equal compares two streams.
func equal(a, b io.Reader) (bool, error) {
	p, q := make([]byte, 128<<10), make([]byte, 128<<10)
	for {
		n, errA := io.ReadFull(a, p)
		m, errB := io.ReadFull(b, q)
		if !bytes.Equal(p[:n], q[:m]) {
			return false, nil
		}
		if errA != nil || errB != nil {
			return true, ending(errA, errB)
		}
	}
}

// ending returns the error of streams that have come to their end, if it is one.
func ending(errs ...error) error {
	for _, err := range errs {
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return err
		}
	}
	return nil
}
