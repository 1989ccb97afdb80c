// Package writelog makes of one recorded run of a machine the disks that a power cut
// may leave at any instant of it.
//
// It reads the log in which QEMU's driver blklogwrites has each write and each flush of
// a disk, in the format of the kernel's dm-log-writes, all little-endian: in the first
// sector magic, version and number of entries (8 bytes each) and the size of a sector
// (4 bytes); then the entries, each a sector with its place on the disk, its length
// (both in sectors), flags and the length of a mark (8 bytes each), and then what was
// written.
//
// The package is pure. It refuses a log that is cut off, and fields that no QEMU would
// write. See block/blklogwrites.c of QEMU, and
// https://docs.kernel.org/admin-guide/device-mapper/log-writes.html.
package writelog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	magic        = 0x6a736677736872
	version      = 1
	headerSize   = 28
	entrySize    = 32
	sectorSize   = 512 // the least
	maxSector    = 64 << 10
	maxDisk      = 1 << 50 // bytes; keeps sums of offsets far from an overflow
	maxTransfer  = 1 << 30 // bytes in one entry; QEMU splits what is longer than 2 GiB
	sectorOffset = 24      // of the size of a sector in the header
)

// Flags say what an entry is, besides a write.
type Flags uint64

// The flags. A flush comes before what its entry writes, if it does.
const (
	Flush   Flags = 1 << iota // all that was written before is on the medium
	FUA                       // this write is on the medium when it is done
	Discard                   // the content no longer matters; nothing is written
	Mark                      // words from user space
	known   = Flush | FUA | Discard | Mark
)

// Entry is one request that the disk has completed.
type Entry struct {
	Flags  Flags
	Offset int64 // on the disk, in bytes
	Size   int64 // in bytes; 0 if nothing is written
	Data   int64 // where the log has what was written
}

// Log is what a disk was asked to do, in the order of completion.
type Log struct {
	Entries []Entry
	data    io.ReaderAt
}

// Read reads a log of size bytes. What was written stays where it is, until Apply.
func Read(r io.ReaderAt, size int64) (*Log, error) {
	l := &Log{data: r}
	if err := l.read(size); err != nil {
		return nil, fmt.Errorf("read log of writes: %w", err)
	}
	return l, nil
}

func (l *Log) read(size int64) error {
	var header [headerSize]byte
	if _, err := l.data.ReadAt(header[:], 0); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(header[8*i:]) }
	if word(0) != magic || word(1) != version {
		return fmt.Errorf("magic %#x, version %d", word(0), word(1))
	}
	sector := int64(binary.LittleEndian.Uint32(header[sectorOffset:]))
	if sector < sectorSize || sector > maxSector || sector&(sector-1) != 0 {
		return fmt.Errorf("sectors of %d bytes", sector)
	}
	// Each entry has a sector of its own, so this bounds the memory as well.
	if word(2) > uint64(size/sector) {
		return fmt.Errorf("%d entries in %d bytes", word(2), size)
	}
	at := sector
	for i := range word(2) {
		e, err := l.entry(at, sector)
		if err == nil && e.Size > size-e.Data {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
		l.Entries = append(l.Entries, e)
		at = e.Data + e.Size
	}
	return nil
}

// entry reads the entry at an offset of the log.
func (l *Log) entry(at, sector int64) (Entry, error) {
	var raw [entrySize]byte
	if _, err := l.data.ReadAt(raw[:], at); err != nil {
		return Entry{}, err
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(raw[8*i:]) }
	if word(0) > maxDisk/maxSector || word(1) > maxDisk/maxSector {
		return Entry{}, fmt.Errorf("%d sectors at %d", word(1), word(0))
	}
	e := Entry{
		Flags: Flags(word(2)), Data: at + sector,
		Offset: int64(word(0)) * sector, Size: int64(word(1)) * sector,
	}
	if e.Flags&^known != 0 {
		return Entry{}, fmt.Errorf("flags %#x", e.Flags)
	}
	if e.Flags&(Discard|Mark) != 0 {
		e.Size = 0 // a mark's words are in the sector of the entry
	}
	if e.Size > maxTransfer {
		return Entry{}, errors.New("more than 1 GiB is written")
	}
	return e, nil
}
