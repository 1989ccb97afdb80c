// Package acl reads and writes POSIX access control lists: the text of tmpfiles.d, and
// the values of the extended attributes system.posix_acl_access and _default.
//
// Names of users and groups stay names, for the caller to resolve. Lists are plain data;
// whether one may be set is for the kernel to say. It needs no privileges.
//
// See acl(5), setfacl(1) and linux/posix_acl_xattr.h.
package acl

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Tag says whom an entry is for.
type Tag uint16

// The tags, with the numbers that the kernel gives them.
const (
	UserObj  Tag = 1 << iota // the owner
	User                     // the user ID
	GroupObj                 // the owning group
	Group                    // the group ID
	Mask                     // the most that all but UserObj and Other get
	Other
)

// Permissions of an entry.
const (
	Execute uint8 = 1 << iota
	Write
	Read
)

// NoID is the ID of entries that are neither for a User nor a Group.
const NoID = ^uint32(0)

// Entry is one entry of a list.
type Entry struct {
	Tag  Tag
	ID   uint32
	Perm uint8
}

// List is an access control list.
type List []Entry

const (
	version = 2 // of the attribute's value
	header  = 4
	size    = 8 // of an entry
)

// ErrFormat says that the value of an attribute is not a list.
var ErrFormat = errors.New("not an access control list")

// Decode reads the value of an attribute.
func Decode(b []byte) (List, error) {
	if len(b) < header || (len(b)-header)%size != 0 ||
		binary.LittleEndian.Uint32(b) != version {
		return nil, fmt.Errorf("decode %d bytes: %w", len(b), ErrFormat)
	}
	l := make(List, 0, (len(b)-header)/size)
	for b = b[header:]; len(b) > 0; b = b[size:] {
		l = append(l, Entry{
			Tag:  Tag(binary.LittleEndian.Uint16(b)),
			Perm: uint8(binary.LittleEndian.Uint16(b[2:])),
			ID:   binary.LittleEndian.Uint32(b[4:]),
		})
	}
	return l, nil
}

// Encode returns the value of an attribute, for which it sorts the entries.
func (l List) Encode() []byte {
	sorted := slices.SortedFunc(slices.Values(l), Entry.compare)
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, header+size*len(l)), version)
	for _, e := range sorted {
		b = binary.LittleEndian.AppendUint16(b, uint16(e.Tag))
		b = binary.LittleEndian.AppendUint16(b, uint16(e.Perm))
		b = binary.LittleEndian.AppendUint32(b, e.ID)
	}
	return b
}

// compare orders entries as the kernel wants them.
func (e Entry) compare(other Entry) int {
	if n := cmp.Compare(e.Tag, other.Tag); n != 0 {
		return n
	}
	return cmp.Compare(e.ID, other.ID)
}

// FromMode returns the list that says the same as an access mode.
func FromMode(mode uint32) List {
	return List{
		{UserObj, NoID, uint8(mode >> 6 & 7)},
		{GroupObj, NoID, uint8(mode >> 3 & 7)},
		{Other, NoID, uint8(mode & 7)},
	}
}

// Merge returns the list with entries added, each in place of that for the same user,
// group or tag, if there is one.
func (l List) Merge(entries List) List {
	merged := slices.Clone(l)
	for _, e := range entries {
		if i := slices.IndexFunc(merged, e.same); i >= 0 {
			merged[i] = e
		} else {
			merged = append(merged, e)
		}
	}
	return merged
}

// same says whether two entries are for the same one.
func (e Entry) same(other Entry) bool { return e.compare(other) == 0 }

// WithMask returns the list with a mask that takes nothing away, if it needs a mask and
// has none.
func (l List) WithMask() List {
	if l.has(Mask) || !l.has(User|Group) {
		return l
	}
	var perm uint8
	for _, e := range l {
		if e.Tag&(User|GroupObj|Group) != 0 {
			perm |= e.Perm
		}
	}
	return append(slices.Clone(l), Entry{Mask, NoID, perm})
}

// WithBase returns the list with those entries of an access mode that it lacks and that
// every list has to have.
func (l List) WithBase(mode uint32) List {
	full := slices.Clone(l)
	for _, e := range FromMode(mode) {
		if !l.has(e.Tag) {
			full = append(full, e)
		}
	}
	return full
}

// Executable says whether an entry with one of these tags lets someone execute.
func (l List) Executable(tags Tag) bool {
	return slices.ContainsFunc(l, func(e Entry) bool {
		return e.Tag&tags != 0 && e.Perm&Execute != 0
	})
}

// has says whether there is an entry with one of these tags.
func (l List) has(tags Tag) bool {
	return slices.ContainsFunc(l, func(e Entry) bool { return e.Tag&tags != 0 })
}
