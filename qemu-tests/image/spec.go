package image

import (
	"errors"
	"fmt"
	"os"

	"github.com/freshroot/freshroot/pkg/disk"
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

// Create makes the image file. If it fails there is none.
func Create(path string, s Spec) error {
	layout, err := s.layout()
	if err != nil {
		return fmt.Errorf("create image %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("create image: %w", err)
	}
	defer f.Close()
	if err := s.write(f, layout); err != nil {
		return fmt.Errorf("create image %s: %w", path, errors.Join(err, os.Remove(path)))
	}
	return nil
}

// layout places the partitions.
func (s Spec) layout() (disk.Layout, error) {
	d := disk.Spec{SectorSize: s.SectorSize, Size: int64(s.SizeMiB) * mib, GUID: s.GUID}
	for _, p := range s.Partitions {
		d.Partitions = append(d.Partitions, disk.Partition{
			Type: p.Type, Label: p.Label, GUID: p.GUID, Attributes: p.Attributes,
			Size: int64(p.SizeMiB) * mib,
		})
	}
	return d.Layout()
}

// write fills the new file: first the table, as partitions are found by it later, then
// one partition after the other.
func (s Spec) write(f *os.File, l disk.Layout) error {
	if err := f.Truncate(l.Size); err != nil {
		return err
	}
	if err := l.Write(f); err != nil {
		return err
	}
	for i, p := range s.Partitions {
		e := extent{l.Extents[i].Offset, l.Extents[i].Size, l.SectorSize}
		if err := p.fill(f, e); err != nil {
			return fmt.Errorf("partition %q: %w", p.Label, err)
		}
	}
	return nil
}
