package uki

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// maxHeaders is how many bytes headers may take, at most.
const maxHeaders = 64 << 10

// headers are those of a PE file. Offsets are into the file.
type headers struct {
	coff      int // the file header, behind "PE\0\0"
	optional  int // the optional header, which EFI programs have
	table     int // of sections
	security  int // the entry of the data directory for signatures
	align     uint32
	fileAlign uint32
	sections  []section
}

// section is an entry of the table.
type section struct {
	name          string
	size, address uint32 // in memory
	rawSize, raw  uint32 // in the file
}

// What stands where in the headers, in bytes from their beginning.
const (
	coffSize          = 20
	coffSections      = 2
	coffOptionalSize  = 16
	optionalAlign     = 32
	optionalFileAlign = 36
	optionalImageSize = 56
	optionalHeaders   = 60
	optionalChecksum  = 64
	optionalLeast     = 152 // what PE32+ has with five entries of the data directory
	sectionSize       = 40
)

// securityAt is where the entry for signatures is in the optional header, by its magic.
var securityAt = map[uint16]int{0x10b: 96 + 4*8, 0x20b: 112 + 4*8}

var (
	le     = binary.LittleEndian
	errEnd = errors.New("not an EFI program: it ends in its headers")
)

// parseHeaders reads the headers of a PE file, which begins with data.
func parseHeaders(data []byte) (h headers, err error) {
	if len(data) < 64 || string(data[:2]) != "MZ" {
		return h, errors.New("not an EFI program")
	}
	at := le.Uint32(data[60:])
	if int64(at)+4+coffSize+optionalLeast > int64(min(len(data), maxHeaders)) {
		return h, errEnd
	}
	if !bytes.HasPrefix(data[at:], []byte("PE\x00\x00")) {
		return h, errors.New("not an EFI program: no PE header")
	}
	h.coff = int(at) + 4
	h.optional = h.coff + coffSize
	h.table = h.optional + int(le.Uint16(data[h.coff+coffOptionalSize:]))
	security, known := securityAt[le.Uint16(data[h.optional:])]
	h.security = h.optional + security
	if !known || h.security+8 > h.table {
		return h, errors.New("not an EFI program: its optional header is not known")
	}
	return h, h.parseSections(data)
}

func (h *headers) parseSections(data []byte) error {
	h.align = le.Uint32(data[h.optional+optionalAlign:])
	h.fileAlign = le.Uint32(data[h.optional+optionalFileAlign:])
	for _, align := range []uint32{h.align, h.fileAlign} {
		if align == 0 || align > 1<<20 || align&(align-1) != 0 {
			return fmt.Errorf("sections are aligned to %d", align)
		}
	}
	n := int(le.Uint16(data[h.coff+coffSections:]))
	if h.table+n*sectionSize > min(len(data), maxHeaders) {
		return errEnd
	}
	for i := range n {
		entry := data[h.table+i*sectionSize:]
		h.sections = append(h.sections, section{
			name: string(bytes.TrimRight(entry[:8], "\x00")),
			size: le.Uint32(entry[8:]), address: le.Uint32(entry[12:]),
			rawSize: le.Uint32(entry[16:]), raw: le.Uint32(entry[20:]),
		})
	}
	return nil
}

// place is where the next section goes.
type place struct{ memory, file int64 }

// end is behind all sections. What follows them in the file, such as a signature or
// symbols, does not count.
func (h *headers) end(stub []byte) (end place, err error) {
	end.file = int64(max(headersSize(stub), h.table+len(h.sections)*sectionSize))
	end.memory = end.file
	for _, s := range h.sections {
		end.memory = max(end.memory, int64(s.address)+int64(max(s.size, s.rawSize)))
		if s.rawSize > 0 {
			end.file = max(end.file, int64(s.raw)+int64(s.rawSize))
		}
	}
	if end.file > int64(len(stub)) || len(stub) > maxStub {
		return end, errors.New("not an EFI program: a section is not in the file")
	}
	return end, nil
}

// add enters a section into the table of the image that begins with head.
func (h *headers) add(head []byte, s Section, end *place) error {
	at := h.table + len(h.sections)*sectionSize
	if at+sectionSize > min(headersSize(head), len(head), h.first()) {
		return errors.New("no room in the stub's table of sections")
	}
	end.memory, end.file = roundUp(end.memory, int64(h.align)), roundUp(end.file, int64(h.fileAlign))
	raw := roundUp(s.Size, int64(h.fileAlign))
	if len(s.Name) > 8 || s.Size <= 0 || max(end.memory, end.file)+raw > math.MaxInt32 {
		return fmt.Errorf("%d bytes", s.Size)
	}
	new := section{s.Name, uint32(s.Size), uint32(end.memory), uint32(raw), uint32(end.file)}
	new.put(head[at : at+sectionSize])
	h.sections = append(h.sections, new)
	end.memory, end.file = end.memory+s.Size, end.file+raw
	return nil
}

// first is where the first section begins in the file.
func (h *headers) first() int {
	first := uint32(math.MaxInt32)
	for _, s := range h.sections {
		if s.rawSize > 0 {
			first = min(first, s.raw)
		}
	}
	return int(first)
}

// put writes an entry of the table: initialised data that is only read.
func (s section) put(entry []byte) {
	const initialised, readable = 0x40, 0x40000000
	clear(entry)
	copy(entry, s.name)
	for i, value := range []uint32{s.size, s.address, s.rawSize, s.raw} {
		le.PutUint32(entry[8+4*i:], value)
	}
	le.PutUint32(entry[36:], initialised|readable)
}

// finish makes the headers say what is in the image.
func (h *headers) finish(head []byte, end place) {
	le.PutUint16(head[h.coff+coffSections:], uint16(len(h.sections)))
	optional := head[h.optional:]
	le.PutUint32(optional[optionalImageSize:], uint32(roundUp(end.memory, int64(h.align))))
	le.PutUint32(optional[optionalChecksum:], 0) // which firmware does not look at
	le.PutUint64(head[h.security:], 0)
	// The table of symbols, which would be behind the sections, is gone.
	le.PutUint64(head[h.coff+8:], 0)
}

// headersSize is how much of the file is loaded as headers.
func headersSize(head []byte) int {
	at := int(le.Uint32(head[60:]))
	return int(le.Uint32(head[at+4+coffSize+optionalHeaders:]))
}
