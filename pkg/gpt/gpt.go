// Package gpt reads GUID partition tables.
//
// It reads what the kernel would (UEFI 2.10, chapter 5.3; block/partitions/efi.c)
// and, unlike the kernel, falls back to the backup header without being asked.
// Everything on the disk is hostile: headers are bounded before their entries are
// read, checksums must hold, and entries that leave the disk are dropped. Reading
// a table takes at most MaxEntries * MaxEntrySize bytes of memory.
//
// Grow says what has to be written so that a partition uses a disk that has become
// larger. Making tables is left to other tools. The package is pure: who uses it does
// the writing.
package gpt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"unicode/utf16"
)

// Bounds of a table that is read. Usual tables have 128 entries of 128 bytes.
const (
	MaxEntries   = 1024
	MaxEntrySize = 512
)

// ErrNoTable is returned for a disk that has no GPT at all.
var ErrNoTable = errors.New("no GPT")

// CorruptError is returned for a disk whose headers are both unusable.
type CorruptError struct {
	Primary, Backup error
}

// Error names what is wrong with each header.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("corrupt GPT: primary header: %v; backup header: %v", e.Primary, e.Backup)
}

// Table is a partition table.
type Table struct {
	DiskGUID   GUID
	SectorSize int         // bytes: 512 or 4096
	End        int64       // bytes: partitions end here at most, with the disk of this size
	Partitions []Partition // in the order of their numbers
	Recovered  error       // why the primary header was not used, or nil
	Dropped    []string    // entries that cannot be right, each with the reason
	Cut        []string    // those of them that end behind the disk: it may have been cut short
}

// Partition is an entry in use.
type Partition struct {
	Number     int // from 1, as in /dev/vda1
	Type       GUID
	GUID       GUID
	Offset     int64 // bytes from the start of the disk
	Size       int64 // bytes
	Attributes uint64
	Label      string
}

// header is the part of a GPT header that is needed.
type header struct {
	sector      []byte // that it is in
	backupLBA   uint64
	firstUsable uint64 // LBA
	entryLBA    uint64
	entries     uint32
	entrySize   uint32
	entryCRC    uint32
	diskGUID    GUID
}

// disk is what a table is read from.
type disk struct {
	io.ReaderAt
	sector int64
	last   uint64 // LBA of the last sector
}

func newDisk(r io.ReaderAt, size int64, sectorSize int) disk {
	return disk{r, int64(sectorSize), uint64(size/int64(sectorSize)) - 1}
}

// Read reads the table of a disk of size bytes with sectors of sectorSize bytes.
// It returns ErrNoTable, a *CorruptError, or an error of r.
func Read(r io.ReaderAt, size int64, sectorSize int) (*Table, error) {
	if sectorSize != 512 && sectorSize != 4096 {
		return nil, fmt.Errorf("read GPT: sectors of %d bytes are not supported", sectorSize)
	}
	if size < 4*int64(sectorSize) {
		return nil, ErrNoTable
	}
	d := newDisk(r, size, sectorSize)
	table, head, primary := d.read(1)
	if primary == nil {
		return table, nil
	}
	// The end of the disk is where the backup belongs; on a disk that has grown it
	// stands where a primary header with a good checksum says.
	table, _, backup := d.read(d.last)
	if backup != nil && head != nil && head.backupLBA > 1 && head.backupLBA < d.last {
		table, _, backup = d.read(head.backupLBA)
	}
	if backup == nil {
		table.Recovered = primary
		return table, nil
	}
	if errors.Is(primary, ErrNoTable) && errors.Is(backup, ErrNoTable) {
		return nil, d.absent()
	}
	return nil, &CorruptError{primary, backup}
}

// Probe reads the table of a disk whose sector size is not known, such as an
// image file.
func Probe(r io.ReaderAt, size int64) (*Table, error) {
	table, err := Read(r, size, 512)
	if err == nil {
		return table, nil
	}
	if table, other := Read(r, size, 4096); other == nil {
		return table, nil
	}
	return nil, err
}

// absent explains that there is no header: the table may have been written for
// another sector size, or wiped and left its protective MBR behind.
func (d disk) absent() error {
	other := 512 + 4096 - d.sector
	signature := make([]byte, 8)
	if _, err := d.ReadAt(signature, other); err == nil && string(signature) == magic {
		return fmt.Errorf("%w for sectors of %d bytes: the one there is for %d", ErrNoTable, d.sector, other)
	}
	if d.isProtected() {
		return &CorruptError{errWiped, errWiped}
	}
	return ErrNoTable
}

var errWiped = errors.New("no header, though the protective MBR promises one")

// isProtected says whether the first sector has the MBR that keeps others off a GPT
// (UEFI 2.10, 5.2.3): one of its four partitions is of type 0xee.
func (d disk) isProtected() bool {
	mbr := make([]byte, 512)
	if _, err := d.ReadAt(mbr, 0); err != nil || mbr[510] != 0x55 || mbr[511] != 0xaa {
		return false
	}
	for entry := 446; entry < 510; entry += 16 {
		if mbr[entry+4] == 0xee {
			return true
		}
	}
	return false
}

// read reads the header at an LBA and its entries. The header is also returned
// if only its entries are bad.
func (d disk) read(lba uint64) (*Table, *header, error) {
	raw := make([]byte, d.sector)
	if _, err := d.ReadAt(raw, int64(lba)*d.sector); err != nil {
		return nil, nil, fmt.Errorf("read sector %d: %w", lba, err)
	}
	head, err := parseHeader(raw, lba)
	if err != nil {
		return nil, nil, err
	}
	raw, err = d.readEntries(head)
	if err != nil {
		return nil, head, err
	}
	return d.table(head, raw), head, nil
}

const magic = "EFI PART"

var le = binary.LittleEndian

// parseHeader checks and decodes the header in a sector.
//
//	 0 "EFI PART"    8 revision    12 header size  16 header CRC
//	24 own LBA      32 backup LBA  40 first usable  48 last usable  56 disk GUID
//	72 entries LBA  80 entries     84 entry size    88 entries CRC
func parseHeader(sector []byte, lba uint64) (*header, error) {
	if string(sector[:8]) != magic {
		return nil, ErrNoTable
	}
	size := le.Uint32(sector[12:])
	if size < 92 || size > uint32(len(sector)) {
		return nil, fmt.Errorf("header of %d bytes", size)
	}
	if headerSum(sector[:size]) != le.Uint32(sector[16:]) {
		return nil, errors.New("wrong header checksum")
	}
	if own := le.Uint64(sector[24:]); own != lba {
		return nil, fmt.Errorf("header at sector %d says it is at %d", lba, own)
	}
	return &header{
		sector:      sector,
		backupLBA:   le.Uint64(sector[32:]),
		firstUsable: le.Uint64(sector[40:]),
		diskGUID:    GUID(sector[56:72]),
		entryLBA:    le.Uint64(sector[72:]),
		entries:     le.Uint32(sector[80:]),
		entrySize:   le.Uint32(sector[84:]),
		entryCRC:    le.Uint32(sector[88:]),
	}, nil
}

// headerSum is the checksum of a header, in which itself counts as zero.
func headerSum(raw []byte) uint32 {
	sum := crc32.NewIEEE()
	sum.Write(raw[:16])
	sum.Write(make([]byte, 4))
	sum.Write(raw[20:])
	return sum.Sum32()
}

// readEntries reads the array of entries, whose bounds it checks first.
func (d disk) readEntries(head *header) ([]byte, error) {
	n, size := head.entries, head.entrySize
	switch {
	case n > MaxEntries:
		return nil, fmt.Errorf("%d entries, more than %d", n, MaxEntries)
	case size < 128 || size > MaxEntrySize || size&(size-1) != 0:
		return nil, fmt.Errorf("entries of %d bytes", size)
	case head.entryLBA < 2 || head.entryLBA > d.last:
		return nil, fmt.Errorf("entries at sector %d", head.entryLBA)
	}
	raw := make([]byte, n*size)
	if _, err := d.ReadAt(raw, int64(head.entryLBA)*d.sector); err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	if crc32.ChecksumIEEE(raw) != head.entryCRC {
		return nil, errors.New("wrong checksum of the entries")
	}
	return raw, nil
}

// sectors is the number of sectors that an array of entries takes.
func (d disk) sectors(entries []byte) uint64 {
	return uint64((int64(len(entries)) + d.sector - 1) / d.sector)
}

// table decodes the entries.
func (d disk) table(head *header, raw []byte) *Table {
	t := &Table{DiskGUID: head.diskGUID, SectorSize: int(d.sector)}
	t.End = int64(d.last-d.sectors(raw)) * d.sector
	for i := range int(head.entries) {
		entry := raw[i*int(head.entrySize):][:head.entrySize]
		if GUID(entry[:16]) == (GUID{}) {
			continue
		}
		first, last := le.Uint64(entry[32:]), le.Uint64(entry[40:])
		if first > last || last > d.last {
			reason := fmt.Sprintf("partition %d: sectors %d to %d of %d", i+1, first, last, d.last+1)
			t.Dropped = append(t.Dropped, reason)
			if first <= last {
				t.Cut = append(t.Cut, reason)
			}
			continue
		}
		t.Partitions = append(t.Partitions, Partition{
			Number:     i + 1,
			Type:       GUID(entry[:16]),
			GUID:       GUID(entry[16:32]),
			Offset:     int64(first) * d.sector,
			Size:       int64(last-first+1) * d.sector,
			Attributes: le.Uint64(entry[48:]),
			Label:      label(entry[56:128]),
		})
	}
	return t
}

// label decodes UTF-16 up to the first NUL.
func label(raw []byte) string {
	var units []uint16
	for ; len(raw) >= 2 && le.Uint16(raw) != 0; raw = raw[2:] {
		units = append(units, le.Uint16(raw))
	}
	return string(utf16.Decode(units))
}
