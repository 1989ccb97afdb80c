package compress

import (
	"errors"
	"fmt"
	"io"

	"github.com/mikelolasagasti/xz"
)

// xzReader gives the errors of the decoder the names that those of the others have.
type xzReader struct{ *xz.Reader }

// newXz begins to read an .xz file (https://tukaani.org/xz/xz-file-format.txt). Each block
// of it asks for a dictionary of its own, and each is compared with maxWindow before
// memory is taken. Of the index of a file the decoder keeps a digest and a count.
func newXz(r io.Reader) (io.ReadCloser, error) {
	d, err := xz.NewReader(r, maxWindow)
	if err != nil {
		return nil, xzError(err)
	}
	return io.NopCloser(xzReader{d}), nil
}

// Read returns io.ErrUnexpectedEOF for a file that ends before its end.
func (x xzReader) Read(b []byte) (int, error) {
	n, err := x.Reader.Read(b)
	return n, xzError(err)
}

// xzError translates an error of the decoder.
func xzError(err error) error {
	switch {
	case errors.Is(err, xz.ErrMemlimit):
		return fmt.Errorf("it needs a dictionary of more than %d MiB", maxWindow>>20)
	case errors.Is(err, xz.ErrBuf): // there is no more input, and should be
		return io.ErrUnexpectedEOF
	}
	return err
}
