package factory

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// dirent is what getdents64(2) tells of an entry.
type dirent struct {
	name string
	kind byte // DT_REG, ...; DT_UNKNOWN where the file system does not tell
}

// direntHeader is what precedes the name in struct linux_dirent64:
//
//	u64 d_ino | s64 d_off | u16 d_reclen | u8 d_type | char d_name[]
const direntHeader = 19

var errDirent = errors.New("read directory: malformed entry")

// nextDirent takes the first entry off a buffer that getdents64 filled. The
// kernel writes these records, but the names come from a disk: one with a
// slash would lead elsewhere.
func nextDirent(block []byte) (e dirent, rest []byte, err error) {
	if len(block) <= direntHeader {
		return dirent{}, nil, errDirent
	}
	size := int(binary.NativeEndian.Uint16(block[16:]))
	if size <= direntHeader || size > len(block) {
		return dirent{}, nil, errDirent
	}
	name, _, ended := bytes.Cut(block[direntHeader:size], []byte{0})
	if !ended || len(name) == 0 || bytes.IndexByte(name, '/') >= 0 {
		return dirent{}, nil, errDirent
	}
	return dirent{name: string(name), kind: block[18]}, block[size:], nil
}
