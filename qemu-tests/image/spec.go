package image

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"
)

// Partition types.
const (
	TypeRootX86_64 = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
	TypeUsrX86_64  = "8484680c-9521-48c6-9c11-b0720656f69e"
	TypeESP        = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
	TypeLinux      = "0fc63daf-8483-4772-8e79-3d69d8477de4"
)

// NoAuto is the attribute that keeps systemd from mounting a partition by its type.
const NoAuto = 1 << 63

// mib is the unit of sizes, and what partitions are aligned to.
const mib = 1 << 20

// Spec describes a disk.
type Spec struct {
	SectorSize int    // 512 if zero, or 4096
	SizeMiB    int    // of the file, which is sparse
	GUID       string // of the disk; random if empty
	Partitions []Partition
}

// Partition describes a partition. Partitions follow each other, aligned to 1 MiB.
type Partition struct {
	Type       string // a GUID
	Label      string
	GUID       string // random if empty
	Attributes uint64
	SizeMiB    int // what is left of the disk if zero

	// The file system in it.
	FS      string // "btrfs", "ext4", "vfat", or "" for none
	FSUUID  string // random if empty; not for vfat
	FSLabel string

	// Checksum is that of a btrfs, as mkfs.btrfs calls it; crc32c if empty.
	Checksum string

	// Populate, if set, fills the file system. root is where it is mounted: of
	// btrfs, its top level.
	Populate func(root string) error
}

// Pool is the partition that freshroot looks for, filled by populate.
func Pool(populate func(root string) error) Partition {
	return Partition{
		Type: TypeRootX86_64, Label: "freshroot", Attributes: NoAuto,
		FS: "btrfs", Populate: populate,
	}
}

// extent is a range of an image, in bytes.
type extent struct {
	offset, size int64
	sectorSize   int
}

// Create makes the image file. If it fails there is none.
func Create(path string, s Spec) error {
	s.SectorSize = cmp.Or(s.SectorSize, 512)
	extents, err := s.layout()
	if err != nil {
		return fmt.Errorf("create image %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("create image: %w", err)
	}
	defer f.Close()
	if err := s.write(f, extents); err != nil {
		return fmt.Errorf("create image %s: %w", path, errors.Join(err, os.Remove(path)))
	}
	return nil
}

// layout places the partitions. The first and the last MiB are left to the table
// and its backup.
func (s Spec) layout() ([]extent, error) {
	if s.SectorSize != 512 && s.SectorSize != 4096 {
		return nil, fmt.Errorf("sector size %d", s.SectorSize)
	}
	at, end := 1, s.SizeMiB-1
	var extents []extent
	for _, p := range s.Partitions {
		size := cmp.Or(p.SizeMiB, end-at)
		if size <= 0 || at+size > end {
			return nil, fmt.Errorf("partition %q: %d MiB at %d MiB exceed %d MiB",
				p.Label, size, at, s.SizeMiB)
		}
		extents = append(extents, extent{
			offset: int64(at) * mib, size: int64(size) * mib, sectorSize: s.SectorSize,
		})
		at += size
	}
	return extents, nil
}

// write fills the new file: first the table, as partitions are found by it later, then
// one partition after the other.
func (s Spec) write(f *os.File, extents []extent) error {
	if err := f.Truncate(int64(s.SizeMiB) * mib); err != nil {
		return err
	}
	if err := s.writeTable(f, extents); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	for i, p := range s.Partitions {
		if err := p.fill(f, extents[i]); err != nil {
			return fmt.Errorf("partition %q: %w", p.Label, err)
		}
	}
	return nil
}

// writeTable writes the protective MBR, the table and its backup. GUIDs that are not
// given are made up by go-diskfs.
func (s Spec) writeTable(f *os.File, extents []extent) error {
	table := gpt.Table{
		GUID: s.GUID, ProtectiveMBR: true,
		LogicalSectorSize: s.SectorSize, PhysicalSectorSize: s.SectorSize,
	}
	for i, p := range s.Partitions {
		table.Partitions = append(table.Partitions, &gpt.Partition{
			Index: i + 1, Type: gpt.Type(p.Type), Name: p.Label, GUID: p.GUID,
			Attributes: p.Attributes,
			Start:      uint64(extents[i].offset) / uint64(s.SectorSize),
			Size:       uint64(extents[i].size),
		})
	}
	w, err := file.New(f, false).Writable()
	if err != nil {
		return err
	}
	return table.Write(w, int64(s.SizeMiB)*mib)
}
