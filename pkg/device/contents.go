package device

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/pkg/signature"
)

// Contents says what a disk is, and what is on it.
type Contents struct {
	Part              // the disk itself
	SectorSize int    `json:"sector_size"`          // bytes
	Model      string `json:"model,omitempty"`      // of the hardware, or ""
	ReadOnly   bool   `json:"read_only"`            // by a switch, or the kernel was told so
	Parts      []Part `json:"partitions,omitempty"` // of its GPT
}

// Part is a disk or a partition.
type Part struct {
	Device     string   `json:"device"`          // path
	Offset     int64    `json:"-"`               // bytes from the start of the disk
	Size       int64    `json:"size"`            // bytes
	Type       string   `json:"type,omitempty"`  // of a partition, in words
	GUID       gpt.GUID `json:"-"`               // of a partition
	Label      string   `json:"label,omitempty"` // of a partition
	Signatures []string `json:"signatures"`      // as package signature names them
}

// IsEmpty says whether nothing was found that would be lost.
func (c Contents) IsEmpty() bool { return len(c.Signatures) == 0 && len(c.Parts) == 0 }

// ReadOnly says whether nothing can be written to a block device: by a switch, or because
// the kernel was told so.
func ReadOnly(disk *os.File) (bool, error) {
	readOnly, err := unix.IoctlGetInt(int(disk.Fd()), unix.BLKROGET)
	if err != nil {
		return false, fmt.Errorf("ask whether %s is read-only: %w", disk.Name(), err)
	}
	return readOnly != 0, nil
}

// Look looks at a disk without changing it. A table that is damaged has no partitions.
func Look(disk *os.File) (Contents, error) {
	c := Contents{Part: Part{Device: disk.Name()}}
	var err error
	if c.Size, err = Size(disk); err != nil {
		return c, err
	}
	if c.SectorSize, err = unix.IoctlGetInt(int(disk.Fd()), unix.BLKSSZGET); err != nil {
		return c, fmt.Errorf("read sector size of %s: %w", disk.Name(), err)
	}
	if c.ReadOnly, err = ReadOnly(disk); err != nil {
		return c, err
	}
	model, _ := os.ReadFile(sysfs + "/class/block/" + nameOf(disk.Name()) + "/device/model")
	c.Model = strings.TrimSpace(string(model))
	c.Signatures = signature.Find(io.NewSectionReader(disk, 0, c.Size))
	table, err := gpt.Read(disk, c.Size, c.SectorSize)
	if err != nil {
		return c, nil
	}
	for _, p := range table.Partitions {
		c.Parts = append(c.Parts, Part{
			Device: PartitionName(disk.Name(), p.Number), Offset: p.Offset, Size: p.Size,
			Type: gpt.TypeName(p.Type.String()), GUID: p.GUID, Label: p.Label,
			Signatures: signature.Find(io.NewSectionReader(disk, p.Offset, p.Size)),
		})
	}
	return c, nil
}

// wiped is how much is overwritten at each end of a disk and of each partition, in bytes:
// more than any signature and any table is away from it.
const wiped = 1 << 20

// Wipe overwrites what tells of the contents of a disk, from its front to its end: after
// it, nobody takes the disk for what it was. The contents themselves stay on it.
func Wipe(disk *os.File, c Contents) error {
	zeroes := make([]byte, wiped)
	for _, p := range append([]Part{c.Part}, c.Parts...) {
		for _, at := range []int64{p.Offset, p.Offset + max(0, p.Size-wiped)} {
			if _, err := disk.WriteAt(zeroes[:min(p.Size, wiped)], at); err != nil {
				return fmt.Errorf("wipe %s: %w", p.Device, err)
			}
		}
	}
	if err := disk.Sync(); err != nil {
		return fmt.Errorf("wipe %s: %w", disk.Name(), err)
	}
	return nil
}

// ReadPartitions has the kernel read the partition table of a disk anew. It refuses as
// long as a partition is in use.
func ReadPartitions(disk *os.File) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, disk.Fd(), unix.BLKRRPART, 0); errno != 0 {
		return fmt.Errorf("read partition table of %s anew: %w", disk.Name(), errno)
	}
	return nil
}

// Forget has the kernel write what it remembers of a disk, and forget it, also what could
// not be written: what is read next comes from the medium.
func Forget(disk *os.File) error {
	err := disk.Sync()
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, disk.Fd(), unix.BLKFLSBUF, 0); errno != 0 {
		err = errors.Join(err, fmt.Errorf("flush %s: %w", disk.Name(), errno))
	}
	return err
}
