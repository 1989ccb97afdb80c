// Package sendstream reads what btrfs send writes.
//
// It knows versions 1 and 2 of the format. Each command is checked against its checksum,
// and for the attributes that it has to have; a command of more than 256 KiB, twice what
// the kernel sends, is refused. What the commands do to a tree is for the caller to judge:
// the paths are as they were sent. It needs no privileges.
//
// See https://btrfs.readthedocs.io/en/latest/dev/dev-send-stream.html and the kernel's
// fs/btrfs/send.h.
package sendstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Magic is what a stream begins with.
const Magic = "btrfs-stream\x00"

const (
	headerSize = 10 // of a command: its length, operation and checksum
	maxCommand = 256 << 10
	maxVersion = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrChecksum says that a command is not what was sent.
var ErrChecksum = errors.New("the stream is damaged: a checksum is wrong")

// Decoder reads the commands of one stream.
type Decoder struct {
	Version uint32

	r     io.Reader
	buf   []byte
	ended bool
}

// NewDecoder reads the beginning of a stream.
func NewDecoder(r io.Reader) (*Decoder, error) {
	var header [len(Magic) + 4]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, fmt.Errorf("read header: %w", unfinished(err))
	}
	if !bytes.HasPrefix(header[:], []byte(Magic)) {
		return nil, errors.New("this is no btrfs send stream")
	}
	version := binary.LittleEndian.Uint32(header[len(Magic):])
	if version < 1 || version > maxVersion {
		return nil, fmt.Errorf("version %d of the format is not known: send with --proto %d",
			version, maxVersion)
	}
	return &Decoder{Version: version, r: r}, nil
}

// Next returns the next command, whose Data is good until the next call. The last one is
// End; after it the error is io.EOF, or says that more follows. A stream that has none is
// not finished: the error is io.ErrUnexpectedEOF.
func (d *Decoder) Next() (Command, error) {
	if d.ended {
		return Command{}, d.finish()
	}
	var header [headerSize]byte
	if _, err := io.ReadFull(d.r, header[:]); err != nil {
		return Command{}, fmt.Errorf("read command: %w", unfinished(err))
	}
	op := Op(binary.LittleEndian.Uint16(header[4:]))
	payload, err := d.payload(&header)
	if err != nil {
		return Command{}, fmt.Errorf("read %v: %w", op, err)
	}
	c := Command{Op: op}
	if err := c.parse(payload, d.Version); err != nil {
		return Command{}, fmt.Errorf("read %v: %w", op, err)
	}
	d.ended = op == End
	return c, nil
}

// finish sees that nothing follows.
func (d *Decoder) finish() error {
	var more [1]byte
	if _, err := io.ReadFull(d.r, more[:]); err != nil {
		return err
	}
	return errors.New("several subvolumes follow one another: send the one that is wanted alone")
}

// payload reads what belongs to a header, and checks both.
func (d *Decoder) payload(header *[headerSize]byte) ([]byte, error) {
	// Nothing is allocated before the length is known to be one.
	size := binary.LittleEndian.Uint32(header[:])
	if size > maxCommand {
		return nil, fmt.Errorf("%d bytes are more than any command has", size)
	}
	if int(size) > len(d.buf) {
		d.buf = make([]byte, size)
	}
	payload := d.buf[:size]
	if _, err := io.ReadFull(d.r, payload); err != nil {
		return nil, unfinished(err)
	}
	want := binary.LittleEndian.Uint32(header[6:])
	// The sender sums up the command as it is before it has a checksum.
	clear(header[6:])
	if checksum(header[:], payload) != want {
		return nil, ErrChecksum
	}
	return payload, nil
}

// checksum is the CRC-32C that btrfs has: it begins with 0 and is not inverted.
func checksum(parts ...[]byte) uint32 {
	sum := ^uint32(0)
	for _, part := range parts {
		sum = crc32.Update(sum, castagnoli, part)
	}
	return ^sum
}

// unfinished makes an end where more has to come an error.
func unfinished(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
