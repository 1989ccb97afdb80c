// Package disk lays out a disk with a GUID partition table, and writes the table.
//
// Where everything goes is decided by Spec.Layout, without a disk; Layout.Write then
// writes the protective MBR, the table and its backup to an image or a block device.
// Identifiers come from a Seed, so that the same seed gives the same disk.
//
// It refuses sectors of other sizes than 512 and 4096 bytes, and partitions that do not
// fit. It never makes a file system. Writing to a block device needs to be allowed to.
//
// See the UEFI specification, chapter 5
// (https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html), and for types
// and flags
// https://uapi-group.org/specifications/specs/discoverable_partitions_specification/.
package disk

import (
	"cmp"
	"fmt"
	"os"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"
)

// Align is what partitions begin and end at, in bytes. The first and the last Align
// bytes of a disk are the table's.
const Align = 1 << 20

// Spec describes a disk.
type Spec struct {
	SectorSize int    // bytes: 512, also if zero, or 4096
	Size       int64  // bytes; what is beyond the last whole Align is not used
	GUID       string // of the disk; made up if empty
	Partitions []Partition
}

// Partition describes a partition. Partitions follow each other without gaps.
type Partition struct {
	Type       string // a GUID
	Label      string
	GUID       string // made up if empty
	Attributes uint64
	Size       int64 // bytes, in whole Align; what is left of the disk if zero
}

// Extent is a range of a disk, in bytes.
type Extent struct{ Offset, Size int64 }

// Layout is a disk that is decided on.
type Layout struct {
	Spec
	Extents []Extent // of the partitions
}

// SizeError says that the partitions do not fit a disk.
type SizeError struct {
	Label   string // of the first partition that does not fit
	Missing int64  // bytes that the disk would have to be larger
}

// Error tells how much is missing.
func (e *SizeError) Error() string {
	return fmt.Sprintf("partition %q: the disk is %d MiB too small", e.Label, e.Missing/Align)
}

// Layout places the partitions. It returns a *SizeError for a disk that is too small.
func (s Spec) Layout() (Layout, error) {
	s.SectorSize = cmp.Or(s.SectorSize, 512)
	if s.SectorSize != 512 && s.SectorSize != 4096 {
		return Layout{}, fmt.Errorf("lay out disk: sectors of %d bytes", s.SectorSize)
	}
	l := Layout{Spec: s}
	at, end := int64(Align), (s.Size/Align-1)*Align
	for _, p := range s.Partitions {
		if p.Size < 0 || p.Size%Align != 0 {
			return Layout{}, fmt.Errorf("lay out disk: partition %q of %d bytes", p.Label, p.Size)
		}
		size := cmp.Or(p.Size, max(end-at, Align))
		if at+size > end {
			return Layout{}, fmt.Errorf("lay out disk: %w", &SizeError{p.Label, at + size - end})
		}
		l.Extents = append(l.Extents, Extent{at, size})
		at += size
	}
	return l, nil
}

// Write writes the table. What is in the partitions stays.
func (l Layout) Write(f *os.File) error {
	table := gpt.Table{
		GUID: l.GUID, ProtectiveMBR: true,
		LogicalSectorSize: l.SectorSize, PhysicalSectorSize: l.SectorSize,
	}
	for i, p := range l.Partitions {
		table.Partitions = append(table.Partitions, &gpt.Partition{
			Index: i + 1, Type: gpt.Type(p.Type), Name: p.Label, GUID: p.GUID,
			Attributes: p.Attributes,
			Start:      uint64(l.Extents[i].Offset) / uint64(l.SectorSize),
			Size:       uint64(l.Extents[i].Size),
		})
	}
	w, err := file.New(f, false).Writable()
	if err == nil {
		err = table.Write(w, l.Size)
	}
	if err != nil {
		return fmt.Errorf("write partition table of %s: %w", f.Name(), err)
	}
	return nil
}
