package tmpfiles

import (
	"cmp"
	"encoding/binary"
	"strings"
	"time"
)

// blockSize is how much of the text of lines is kept in one piece. Little enough that
// the last block may be mostly empty.
const blockSize = 16 << 10

// ref is where a line is in a store. Lines that are put later have greater refs.
type ref struct{ block, at uint32 }

// compare orders lines as they were put.
func (r ref) compare(other ref) int {
	if n := cmp.Compare(r.block, other.block); n != 0 {
		return n
	}
	return cmp.Compare(r.at, other.at)
}

// store keeps lines in about the space of their text, since there may be ten thousands
// of them: what most lines leave out takes a bit, names that recur are kept once. The
// strings of lines that are taken out again are parts of a block: nothing is copied.
type store struct {
	blocks []string
	last   *strings.Builder // that is not yet among blocks
	used   []byte           // the scratch space of put

	files  []string
	owners []Owner
	index  map[Owner]uint64
}

// put keeps a line. What it is sorted by comes first, so that key need not read the rest.
func (s *store) put(l *Line) ref {
	b := append(s.used[:0], l.Type)
	b = appendText(b, l.Path)
	b = appendBools(b, l.bools())
	b = binary.AppendUvarint(b, s.file(l.File))
	b = binary.AppendUvarint(b, uint64(l.Number))
	b = binary.AppendUvarint(b, uint64(l.Mode.Bits))
	b = binary.AppendUvarint(b, s.owner(l.User))
	b = binary.AppendUvarint(b, s.owner(l.Group))
	if l.Age.Set {
		b = binary.AppendUvarint(b, uint64(l.Age.For))
		b = append(b, byte(l.Age.Files), byte(l.Age.Dirs))
	}
	if l.Is("bchH") {
		for _, n := range []uint32{l.Major, l.Minor, l.Attributes.Value, l.Attributes.Mask} {
			b = binary.AppendUvarint(b, uint64(n))
		}
	}
	if l.HasArgument {
		b = appendText(b, l.Argument)
	}
	s.used = b
	return s.write(b)
}

// write keeps an encoded line in the last block, or a new one. A block is never grown,
// for that would copy it and leave the old one as garbage.
func (s *store) write(b []byte) ref {
	if s.last == nil || s.last.Cap()-s.last.Len() < len(b) {
		s.seal()
		s.last = &strings.Builder{}
		s.last.Grow(max(blockSize, len(b)))
	}
	r := ref{uint32(len(s.blocks)), uint32(s.last.Len())}
	s.last.Write(b)
	return r
}

// seal has all that was put be readable.
func (s *store) seal() {
	if s.last != nil {
		s.blocks = append(s.blocks, s.last.String())
		s.last = nil
	}
}

// key returns the type and path of a line, which is what lines are sorted by.
func (s *store) key(r ref) (Type byte, path string) {
	d := decoder{s.blocks[r.block][r.at:]}
	return d.byte(), d.text()
}

// get returns a line into l.
func (s *store) get(r ref, l *Line) {
	d := decoder{s.blocks[r.block][r.at:]}
	*l = Line{Type: d.byte(), Path: d.text()}
	bits := d.number()
	for i, b := range l.bools() {
		*b = bits>>i&1 != 0
	}
	l.File = s.files[d.number()]
	l.Number = int(d.number())
	l.Mode.Bits = uint32(d.number())
	l.User = s.owners[d.number()]
	l.Group = s.owners[d.number()]
	l.Age.Files, l.Age.Dirs = DefaultFiles, DefaultDirs
	if l.Age.Set {
		l.Age.For = time.Duration(d.number())
		l.Age.Files, l.Age.Dirs = Times(d.byte()), Times(d.byte())
	}
	if l.Is("bchH") {
		for _, n := range []*uint32{
			&l.Major, &l.Minor, &l.Attributes.Value, &l.Attributes.Mask,
		} {
			*n = uint32(d.number())
		}
	}
	if l.HasArgument {
		l.Argument = d.text()
	}
}

// bools are the fields of a line that take one bit each. The first of them say which of
// the others and of the numbers follow.
func (l *Line) bools() [12]*bool {
	return [...]*bool{
		&l.HasArgument, &l.Mode.Set, &l.Age.Set, &l.Append, &l.Boot, &l.Optional, &l.Force,
		&l.Purge, &l.IfExists, &l.Mode.Masked, &l.Mode.IfNew, &l.Age.Keep,
	}
}

// file returns the number of a file's name. A file's lines come one after another.
func (s *store) file(name string) uint64 {
	if n := len(s.files); n == 0 || s.files[n-1] != name {
		s.files = append(s.files, name)
	}
	return uint64(len(s.files) - 1)
}

// owner returns the number of an owner.
func (s *store) owner(o Owner) uint64 {
	n, known := s.index[o]
	if !known {
		if s.index == nil {
			s.index = map[Owner]uint64{}
		}
		n = uint64(len(s.owners))
		o.Name = strings.Clone(o.Name)
		s.index[o], s.owners = n, append(s.owners, o)
	}
	return n
}

// appendText appends a string and, before it, its length.
func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendBools appends the bits, of which the first is the lowest.
func appendBools(b []byte, list [12]*bool) []byte {
	var bits uint64
	for i, set := range list {
		if *set {
			bits |= 1 << i
		}
	}
	return binary.AppendUvarint(b, bits)
}

// decoder takes apart what put has made. It trusts its input, which nobody else writes.
type decoder struct{ s string }

func (d *decoder) byte() byte {
	c := d.s[0]
	d.s = d.s[1:]
	return c
}

// number is binary.Uvarint for a string, which need not be copied for it.
func (d *decoder) number() (n uint64) {
	for shift := 0; ; shift += 7 {
		c := d.byte()
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n
		}
	}
}

func (d *decoder) text() (s string) {
	n := d.number()
	s, d.s = d.s[:n], d.s[n:]
	return s
}
