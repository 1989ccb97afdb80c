package sendstream

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// attribute is the number of an attribute of a command.
type attribute uint16

// The attributes that anything is done with, by the names of the kernel's fs/btrfs/send.h.
// Others, such as inode numbers and the time of creation, cannot be had in another tree.
const (
	attrUUID             attribute = 1
	attrSize             attribute = 4
	attrMode             attribute = 5
	attrUID              attribute = 6
	attrGID              attribute = 7
	attrRdev             attribute = 8
	attrMtime            attribute = 10
	attrAtime            attribute = 11
	attrXattrName        attribute = 13
	attrXattrData        attribute = 14
	attrPath             attribute = 15
	attrPathTo           attribute = 16
	attrPathLink         attribute = 17
	attrFileOffset       attribute = 18
	attrData             attribute = 19
	attrCloneUUID        attribute = 20
	attrClonePath        attribute = 22
	attrCloneOffset      attribute = 23
	attrCloneLen         attribute = 24
	attrUnencodedFileLen attribute = 27
	attrUnencodedLen     attribute = 28
	attrUnencodedOffset  attribute = 29
	attrCompression      attribute = 30
	attrEncryption       attribute = 31
	maxAttribute         attribute = 31 // of version 2
)

var errShort = errors.New("an attribute goes beyond its command")

// parse reads the attributes of a command.
func (c *Command) parse(payload []byte, version uint32) error {
	if c.Op == 0 || int(c.Op) >= len(operations) || version < 2 && c.Op > UpdateExtent {
		return fmt.Errorf("it is not known in version %d", version)
	}
	var seen [maxAttribute + 1]bool
	for len(payload) > 0 {
		a, value, rest, err := nextAttribute(payload, version)
		if err != nil {
			return err
		}
		// One that is new may change what the others mean.
		if a > maxAttribute || seen[a] {
			return fmt.Errorf("attribute %d is not known, or there twice", a)
		}
		seen[a] = true
		if err := c.set(a, value); err != nil {
			return fmt.Errorf("attribute %d: %w", a, err)
		}
		payload = rest
	}
	for _, a := range operations[c.Op].needs {
		if !seen[a] {
			return fmt.Errorf("attribute %d is missing", a)
		}
	}
	return nil
}

// nextAttribute splits the first attribute off. From version 2 on, data has no length:
// it is the last.
func nextAttribute(b []byte, version uint32) (a attribute, value, rest []byte, err error) {
	if len(b) < 2 {
		return 0, nil, nil, errShort
	}
	a, b = attribute(binary.LittleEndian.Uint16(b)), b[2:]
	if a == attrData && version >= 2 {
		return a, b, nil, nil
	}
	if len(b) < 2 {
		return 0, nil, nil, errShort
	}
	size := int(binary.LittleEndian.Uint16(b))
	if b = b[2:]; size > len(b) {
		return 0, nil, nil, errShort
	}
	return a, b[:size], b[size:], nil
}

// set notes an attribute. Those that nobody needs, such as inode numbers, are left out.
func (c *Command) set(a attribute, value []byte) error {
	if field := c.number(a); field != nil {
		return setNumber(field, value)
	}
	switch a {
	case attrData, attrXattrData:
		c.Data = value
	case attrXattrName:
		c.Xattr = string(value)
	case attrPath:
		c.Path = string(value)
	case attrPathTo, attrPathLink:
		c.To = string(value)
	case attrClonePath:
		c.From.Path = string(value)
	case attrUUID:
		return setUUID(&c.UUID, value)
	case attrCloneUUID:
		return setUUID(&c.From.UUID, value)
	case attrAtime:
		return setTime(&c.Atime, value)
	case attrMtime:
		return setTime(&c.Mtime, value)
	case attrCompression:
		return setNumber((*uint32)(&c.Encoded.Compression), value)
	case attrEncryption:
		return setNumber(&c.Encoded.Encryption, value)
	}
	return nil
}

// number returns the field of an attribute that is a number of 64 bits.
func (c *Command) number(a attribute) *uint64 {
	switch a {
	case attrSize:
		return &c.Size
	case attrMode:
		return &c.Mode
	case attrUID:
		return &c.UID
	case attrGID:
		return &c.GID
	case attrRdev:
		return &c.Rdev
	case attrFileOffset:
		return &c.Offset
	case attrCloneOffset:
		return &c.From.Offset
	case attrCloneLen:
		return &c.From.Len
	case attrUnencodedFileLen:
		return &c.Encoded.FileLen
	case attrUnencodedLen:
		return &c.Encoded.Len
	case attrUnencodedOffset:
		return &c.Encoded.Offset
	}
	return nil
}

// setNumber reads a number, which is as long as its field.
func setNumber(field any, value []byte) error {
	if len(value) != binary.Size(field) {
		return fmt.Errorf("%d bytes are no number", len(value))
	}
	_, err := binary.Decode(value, binary.LittleEndian, field)
	return err
}

// setUUID reads a UUID, which has 16 bytes.
func setUUID(field *UUID, value []byte) error {
	if copy(field[:], value) != len(value) || len(value) != len(field) {
		return fmt.Errorf("%d bytes are no UUID", len(value))
	}
	return nil
}

// setTime reads a time: eight bytes of seconds, which may be negative, and four of
// nanoseconds.
func setTime(field *Time, value []byte) error {
	if len(value) != 12 {
		return fmt.Errorf("%d bytes are no time", len(value))
	}
	field.Sec = int64(binary.LittleEndian.Uint64(value))
	field.Nsec = binary.LittleEndian.Uint32(value[8:])
	return nil
}
