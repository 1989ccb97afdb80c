// Package sendtest makes send streams for tests, sound ones and others.
package sendtest

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/freshroot/freshroot/pkg/sendstream"
)

// Attribute is an attribute of a command: its number, and a string, a number of 32 or 64
// bits, a time or a UUID.
type Attribute struct {
	Number uint16
	Value  any
}

// Numbers of attributes, as the kernel's fs/btrfs/send.h has them.
const (
	UUID       = 1
	Size       = 4
	Mode       = 5
	UID        = 6
	GID        = 7
	Rdev       = 8
	Mtime      = 10
	Atime      = 11
	XattrName  = 13
	XattrData  = 14
	Path       = 15
	To         = 16
	Target     = 17
	Offset     = 18
	Data       = 19
	CloneUUID  = 20
	ClonePath  = 22
	CloneStart = 23
	CloneLen   = 24
	FileLen    = 27
	PlainLen   = 28
	PlainStart = 29
	Packing    = 30
)

// Stream begins a stream.
func Stream(version uint32) []byte {
	return binary.LittleEndian.AppendUint32([]byte(sendstream.Magic), version)
}

// Begun begins a stream of version 2 with its subvolume, whose UUID is zero.
func Begun() []byte {
	return Command(Stream(2), sendstream.Subvol,
		Attribute{Path, "s"}, Attribute{UUID, sendstream.UUID{}})
}

// Command adds a command to a stream of version 2.
func Command(stream []byte, op sendstream.Op, attributes ...Attribute) []byte {
	var payload []byte
	for _, a := range attributes {
		value := encode(a.Value)
		payload = binary.LittleEndian.AppendUint16(payload, a.Number)
		if a.Number != Data {
			payload = binary.LittleEndian.AppendUint16(payload, uint16(len(value)))
		}
		payload = append(payload, value...)
	}
	return Raw(stream, op, payload)
}

// Raw adds a command with any payload.
func Raw(stream []byte, op sendstream.Op, payload []byte) []byte {
	header := binary.LittleEndian.AppendUint32(nil, uint32(len(payload)))
	header = binary.LittleEndian.AppendUint16(header, uint16(op))
	whole := append(binary.LittleEndian.AppendUint32(header, 0), payload...)
	sum := ^crc32.Update(^uint32(0), crc32.MakeTable(crc32.Castagnoli), whole)
	binary.LittleEndian.PutUint32(whole[6:], sum)
	return append(stream, whole...)
}

func encode(value any) []byte {
	if s, ok := value.(string); ok {
		return []byte(s)
	}
	b, err := binary.Append(nil, binary.LittleEndian, value)
	if err != nil {
		panic(err) // a mistake in a test
	}
	return b
}
