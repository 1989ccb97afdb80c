// Package efivar reads and writes what the firmware keeps of boot loaders: the variables
// Boot#### and BootOrder (UEFI 2.10, chapters 3.1 and 10.3).
//
// It knows the contents of the variables, as they stand behind the four bytes of
// attributes that efivarfs puts in front; to read and to write them is left to package
// device. What firmware holds is not trusted: lengths are bounded by what there is. The
// package is pure.
package efivar

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/freshroot/freshroot/pkg/gpt"
)

// vendor is the GUID of all variables that the UEFI specification defines.
const vendor = "8be4df61-93ca-11d2-aa0d-00e098032b8c"

// Order is the variable that lists the numbers of load options, best first.
const Order = "BootOrder-" + vendor

// Attributes are those that Boot#### and BootOrder have: they are kept without power, and
// are there before and after the OS has started.
const Attributes = 7

// Name returns the variable of a load option: Boot001A-....
func Name(number uint16) string { return fmt.Sprintf("Boot%04X-%s", number, vendor) }

// ParseName reads the number in the name of a variable. ok is false for all others.
func ParseName(name string) (number uint16, ok bool) {
	digits, isOurs := strings.CutSuffix(name, "-"+vendor)
	digits, isBoot := strings.CutPrefix(digits, "Boot")
	n, err := strconv.ParseUint(digits, 16, 16)
	number = uint16(n)
	return number, isOurs && isBoot && err == nil && Name(number) == name
}

// LoadOption is something that the firmware can boot.
type LoadOption struct {
	Active      bool
	Description string    // what the firmware's menu shows
	Partition   Partition // that the file is on; the zero value for another kind of device
	File        string    // from the root of its file system, with backslashes; or ""
}

// Partition is how the firmware finds a partition of a GPT.
type Partition struct {
	Number      uint32 // from 1
	First, Size uint64 // in logical sectors
	GUID        gpt.GUID
}

var le = binary.LittleEndian

// active is LOAD_OPTION_ACTIVE.
const active = 1

// Types of the nodes of a device path: the type, and the type within it.
const (
	nodePartition = 0x0104 // media, hard drive
	nodeFile      = 0x0404 // media, file path
	nodeEnd       = 0xff7f // of the whole path
)

// Encode returns the content of a Boot#### variable.
func (o LoadOption) Encode() []byte {
	partition := le.AppendUint32(nil, o.Partition.Number)
	partition = le.AppendUint64(partition, o.Partition.First)
	partition = le.AppendUint64(partition, o.Partition.Size)
	partition = append(partition, o.Partition.GUID[:]...)
	partition = append(partition, 2, 2) // a GPT, and a GUID
	path := appendNode(nil, nodePartition, partition)
	path = appendNode(path, nodeFile, encodeText(o.File))
	path = appendNode(path, nodeEnd, nil)

	var attributes uint32
	if o.Active {
		attributes = active
	}
	raw := le.AppendUint32(nil, attributes)
	raw = le.AppendUint16(raw, uint16(len(path)))
	raw = append(raw, encodeText(o.Description)...)
	return append(raw, path...)
}

// appendNode adds a node to a device path: its length counts its header.
func appendNode(path []byte, kind uint16, data []byte) []byte {
	path = le.AppendUint16(path, kind)
	path = le.AppendUint16(path, uint16(4+len(data)))
	return append(path, data...)
}

// encodeText is UTF-16 with a NUL at its end.
func encodeText(s string) (raw []byte) {
	for _, unit := range utf16.Encode([]rune(s)) {
		raw = le.AppendUint16(raw, unit)
	}
	return append(raw, 0, 0)
}

var errShort = errors.New("parse load option: it is cut short")

// ParseLoadOption reads the content of a Boot#### variable. What it has of devices that
// are no partitions, or behind the device path, is passed over.
func ParseLoadOption(raw []byte) (o LoadOption, err error) {
	if len(raw) < 6 {
		return o, errShort
	}
	o.Active = le.Uint32(raw)&active != 0
	length := int(le.Uint16(raw[4:]))
	description, rest, ok := cutText(raw[6:])
	if !ok || len(rest) < length {
		return o, errShort
	}
	o.Description = description
	return o, o.parsePath(rest[:length])
}

// parsePath reads the nodes that are known.
func (o *LoadOption) parsePath(path []byte) error {
	for len(path) > 0 {
		if len(path) < 4 {
			return errShort
		}
		kind, length := le.Uint16(path), int(le.Uint16(path[2:]))
		if length < 4 || length > len(path) {
			return fmt.Errorf("parse load option: a node of %d bytes", length)
		}
		data := path[4:length]
		path = path[length:]
		switch {
		case kind == nodePartition && len(data) == 38 && data[37] == 2:
			o.Partition = Partition{
				le.Uint32(data), le.Uint64(data[4:]), le.Uint64(data[12:]), gpt.GUID(data[20:36]),
			}
		case kind == nodeFile:
			file, _, _ := cutText(append(bytes.Clone(data), 0, 0))
			o.File = file
		case kind == nodeEnd:
			return nil
		}
	}
	return nil
}

// cutText takes UTF-16 up to a NUL from the front.
func cutText(raw []byte) (text string, rest []byte, ok bool) {
	var units []uint16
	for ; len(raw) >= 2; raw = raw[2:] {
		unit := le.Uint16(raw)
		if unit == 0 {
			return string(utf16.Decode(units)), raw[2:], true
		}
		units = append(units, unit)
	}
	return "", nil, false
}

// EncodeOrder returns the content of BootOrder.
func EncodeOrder(order []uint16) (raw []byte) {
	for _, n := range order {
		raw = le.AppendUint16(raw, n)
	}
	return raw
}

// ParseOrder reads the content of BootOrder. An odd byte at its end is passed over.
func ParseOrder(raw []byte) (order []uint16) {
	for ; len(raw) >= 2; raw = raw[2:] {
		order = append(order, le.Uint16(raw))
	}
	return order
}
