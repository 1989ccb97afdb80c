package compress

import (
	"bytes"
	"fmt"
	"io"

	"github.com/ulikunitz/xz"
)

// xzReader sees that a file has its end, which the decoder leaves to others when the cut is
// between two of its parts.
type xzReader struct {
	*xz.Reader
	tail *tail
}

// newXz begins to read an .xz file.
func newXz(r io.Reader) (io.ReadCloser, error) {
	t := &tail{r: r}
	d, err := xz.NewReader(t)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(&xzReader{d, t}), nil
}

// Read returns io.ErrUnexpectedEOF at the end of what does not end as an .xz file does.
func (x *xzReader) Read(b []byte) (int, error) {
	n, err := x.Reader.Read(b)
	if err == io.EOF && string(x.tail.last) != xzFooter {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// tail remembers the last two bytes that were read, but for the zeros of padding.
type tail struct {
	r    io.Reader
	last []byte
}

// Read reads on, and remembers.
func (t *tail) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	if end := bytes.TrimRight(b[:n], "\x00"); len(end) > 0 {
		last := append(t.last, end[max(len(end)-2, 0):]...)
		t.last = last[max(len(last)-2, 0):]
	}
	return n, err
}

// xzFooter is what an .xz file ends with.
const xzFooter = "YZ"

// The layout of the beginning of an .xz file: a stream header of 12 bytes, then a block
// header: its size, flags, sizes that may be left out, and the filters
// (https://tukaani.org/xz/xz-file-format.txt, 2.1.1 and 3.1).
const (
	xzHeader      = 12
	xzFilterLZMA2 = 0x21
	// xzMaxDict is the code of a dictionary of 128 MiB (5.3.1); xz -9 takes 64 MiB.
	xzMaxDict = 30
)

// checkXz refuses a dictionary that would take more memory than maxWindow: the decoder
// takes what the file asks for.
func checkXz(head []byte) error {
	if len(head) < xzHeader+2 || head[xzHeader] == 0 {
		return nil // too short, which the decoder says, or without a block
	}
	flags, rest := head[xzHeader+1], head[xzHeader+2:]
	for _, present := range []bool{flags&0x40 != 0, flags&0x80 != 0} {
		if present {
			rest = skipNumber(rest)
		}
	}
	if len(rest) >= 3 && rest[0] == xzFilterLZMA2 && rest[2] > xzMaxDict {
		return fmt.Errorf("it needs a dictionary of more than %d MiB", maxWindow>>20)
	}
	return nil
}

// skipNumber skips a number of seven bits per byte.
func skipNumber(b []byte) []byte {
	for i := range b {
		if b[i]&0x80 == 0 {
			return b[i+1:]
		}
	}
	return nil
}
