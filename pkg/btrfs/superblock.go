// Package btrfs reads btrfs superblocks and manages subvolumes.
//
// It covers what freshroot needs of a file system whose subvolumes all stand at
// its top level: recognising it, making, protecting and deleting subvolumes. The
// on-disk format is that of the kernel's include/uapi/linux/btrfs_tree.h, the
// ioctls those of include/uapi/linux/btrfs.h (at least Linux 4.18). Creating and
// deleting needs CAP_SYS_ADMIN or a mount with user_subvol_rm_allowed.
package btrfs

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// superblock layout, in bytes from its start at 64 KiB:
//
//	  0 checksum (32)   32 fsid (16)       48 own address
//	 64 "_BHRfS_M"      96 tree of logs   112 total bytes    136 devices
//	196 checksum type  299 label (256)   4096 end
const (
	superOffset = 64 << 10
	superSize   = 4096
	superMagic  = "_BHRfS_M"
)

// crc32c is the checksum type that nearly all file systems have.
const crc32c = 0

// checksums are the names of the checksum types.
var checksums = []string{crc32c: "crc32c", "xxhash64", "sha256", "blake2b-256"}

// ErrNotBtrfs is returned for a device that holds no btrfs.
var ErrNotBtrfs = errors.New("no btrfs")

// Superblock says what a btrfs is called.
type Superblock struct {
	UUID  string // in lower case, as in UUID=
	Label string
	Size  uint64 // bytes
	// Checksum is the algorithm by its name in the kernel's crypto API, or "" if it
	// is not known here.
	Checksum string
	Devices  uint64 // a pool has one
	HasLog   bool   // power went after an fsync: there is a log that a mount replays
}

// ReadSuperblock reads the first superblock of a device of size bytes. It
// returns ErrNotBtrfs where there is none.
func ReadSuperblock(r io.ReaderAt, size int64) (*Superblock, error) {
	if size < superOffset+superSize {
		return nil, ErrNotBtrfs
	}
	raw := make([]byte, superSize)
	if _, err := r.ReadAt(raw, superOffset); err != nil {
		return nil, fmt.Errorf("read btrfs superblock: %w", err)
	}
	return parseSuperblock(raw, size)
}

func parseSuperblock(raw []byte, size int64) (*Superblock, error) {
	le := binary.LittleEndian
	if string(raw[64:72]) != superMagic {
		return nil, ErrNotBtrfs
	}
	if at := le.Uint64(raw[48:]); at != superOffset {
		return nil, fmt.Errorf("btrfs superblock says it is at %d, not at %d", at, superOffset)
	}
	// The other checksums are left to the kernel: it verifies them when it mounts.
	sumType := le.Uint16(raw[196:])
	if sumType == crc32c {
		sum := crc32.Checksum(raw[32:], crc32.MakeTable(crc32.Castagnoli))
		if sum != le.Uint32(raw) {
			return nil, errors.New("btrfs superblock has a wrong checksum")
		}
	}
	name := ""
	if int(sumType) < len(checksums) {
		name = checksums[sumType]
	}
	label, _, _ := bytes.Cut(raw[299:299+256], []byte{0})
	s := &Superblock{
		UUID:     formatUUID(raw[32:48]),
		Label:    string(label),
		Size:     le.Uint64(raw[112:]),
		Devices:  le.Uint64(raw[136:]),
		Checksum: name,
		HasLog:   le.Uint64(raw[96:]) != 0,
	}
	// A truncated image fails to mount with a message nobody understands.
	if s.Devices == 1 && s.Size > uint64(size) {
		return nil, fmt.Errorf("btrfs of %d bytes on a device of %d", s.Size, size)
	}
	return s, nil
}

func formatUUID(raw []byte) string {
	h := hex.EncodeToString(raw)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
