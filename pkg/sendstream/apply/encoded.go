package apply

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/freshroot/freshroot/pkg/sendstream"
)

// maxExtent bounds what one command decompresses to: btrfs compresses pieces of 128 KiB.
const maxExtent = 1 << 20

// encodedWrite writes data that was sent as it was on the disk.
func (a *receiver) encodedWrite(c *sendstream.Command) error {
	e := c.Encoded
	switch {
	case e.Encryption != 0:
		return errors.New("the data is encrypted")
	case e.Compression >= sendstream.LZO:
		return fmt.Errorf("compression %d (LZO, or newer than this program): "+
			"send without --compressed-data", e.Compression)
	case e.Len > maxExtent || e.Offset > e.Len || e.FileLen > e.Len-e.Offset:
		return fmt.Errorf("%d bytes from %d on of %d: no extent is like that",
			e.FileLen, e.Offset, e.Len)
	}
	plain, err := a.decoder.decode(c.Data, e)
	if err != nil {
		return fmt.Errorf("decompress: %w", err)
	}
	return a.writeAt(c.Path, plain[e.Offset:e.Offset+e.FileLen], c.Offset)
}

// decoder decompresses extents. There are many small ones: what they need is kept.
type decoder struct {
	buf  []byte // of maxExtent
	zstd *zstd.Decoder
}

// decode returns the Len bytes that data becomes, good until the next call. What is
// missing at the end is zeros, as btrfs reads it.
func (d *decoder) decode(data []byte, e sendstream.Encoded) ([]byte, error) {
	if d.buf == nil {
		d.buf = make([]byte, maxExtent)
	}
	r, err := d.open(data, e.Compression)
	if err != nil {
		return nil, err
	}
	// No more than Len is asked for: btrfs fills the last sector of an extent with zeros,
	// which the decoders would take for the beginning of another one.
	plain := d.buf[:e.Len]
	n, err := io.ReadFull(r, plain)
	if err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	clear(plain[n:])
	return plain, nil
}

// open begins to decompress one extent.
func (d *decoder) open(data []byte, c sendstream.Compression) (io.Reader, error) {
	switch c {
	case sendstream.Zlib:
		return zlib.NewReader(bytes.NewReader(data))
	case sendstream.Zstd:
		if d.zstd != nil {
			return d.zstd, d.zstd.Reset(bytes.NewReader(data))
		}
		var err error
		d.zstd, err = zstd.NewReader(bytes.NewReader(data),
			zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxExtent))
		return d.zstd, err
	}
	return bytes.NewReader(data), nil
}

// close frees what the decoders have.
func (d *decoder) close() {
	if d.zstd != nil {
		d.zstd.Close()
	}
}
