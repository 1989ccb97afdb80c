// Package compress undoes the compression of a stream, which it knows by its content.
//
// It knows gzip (RFC 1952), zstd (RFC 8878), xz and bzip2, each also as several streams
// one after the other. Windows of more than 128 MiB are refused, as zstd(1) and xz(1) do
// by default or in effect. How much comes out is for the reader to bound. It needs no
// privileges.
package compress

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Format is a way to compress.
type Format string

// The formats. Decoders are told apart by the bytes that each begins with.
const (
	None  Format = ""
	Gzip  Format = "gzip"
	Zstd  Format = "zstd"
	Xz    Format = "xz"
	Bzip2 Format = "bzip2"
)

// maxWindow bounds the memory of a decoder.
const maxWindow = 128 << 20

// PeekSize is how much of a stream tells its format.
const PeekSize = 64

var magics = []struct {
	format Format
	magic  string
}{
	{Gzip, "\x1f\x8b\x08"}, {Zstd, "\x28\xb5\x2f\xfd"}, {Xz, "\xfd7zXZ\x00"}, {Bzip2, "BZh"},
}

// Detect tells the format of a stream by its first bytes.
func Detect(head []byte) Format {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.format
		}
	}
	return None
}

// NewReader returns what was compressed. If r is not compressed, it returns the same
// bytes. Closing the result frees its memory and leaves r open. A stream that ends too
// early gives io.ErrUnexpectedEOF.
func NewReader(r io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	head, err := buffered.Peek(PeekSize)
	if err != nil && err != io.EOF {
		return nil, err
	}
	format := Detect(head)
	decoded, err := open(format, buffered)
	if err != nil {
		return nil, &Error{format, unfinished(err)}
	}
	return &reader{decoded, format}, nil
}

// open begins to decompress. Decoders that can be told how much memory to take are told.
func open(format Format, r *bufio.Reader) (io.ReadCloser, error) {
	switch format {
	case Gzip:
		return gzip.NewReader(r)
	case Zstd:
		d, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	case Xz:
		return newXz(r)
	case Bzip2:
		return io.NopCloser(bzip2.NewReader(r)), nil
	}
	return io.NopCloser(r), nil
}

// Error is a compressed stream that cannot be read.
type Error struct {
	Format Format
	Err    error
}

// Error returns "format: cause".
func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Format, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// reader says of errors which decoder they are of.
type reader struct {
	io.ReadCloser
	format Format
}

// Read returns what was decompressed, or a *Error.
func (r *reader) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	if err == nil || err == io.EOF || r.format == None {
		return n, err
	}
	return n, &Error{r.format, unfinished(err)}
}

// unfinished gives the early end of a stream one name.
func unfinished(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
