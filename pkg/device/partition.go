package device

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// blkpg is struct blkpg_ioctl_arg of linux/blkpg.h with the partition behind it.
type blkpg struct {
	op      int32
	flags   int32
	datalen int32
	data    *blkpgPartition
}

type blkpgPartition struct {
	start, length int64 // bytes
	number        int32
	_             [128]byte // names, which the kernel does not read
}

// What the kernel can be told of a partition.
const (
	addPartition    = 1
	resizePartition = 3
)

// tell tells the kernel of a partition of a disk.
func tell(disk *os.File, op int32, number int, offset, size int64) error {
	data := &blkpgPartition{start: offset, length: size, number: int32(number)}
	arg := &blkpg{op: op, datalen: int32(unsafe.Sizeof(*data)), data: data}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, disk.Fd(), unix.BLKPG, uintptr(unsafe.Pointer(arg)))
	if errno != 0 {
		return errno
	}
	return nil
}

// AddPartition makes the kernel know a partition that it did not find itself: it
// does not look for a backup table. It is no error if it knows the partition.
func AddPartition(disk string, p volatile.Partition) error {
	f, err := os.Open(disk)
	if err != nil {
		return err
	}
	defer f.Close()
	err = tell(f, addPartition, p.Number, p.Offset, p.Size)
	if err != nil && err != unix.EBUSY {
		return fmt.Errorf("add partition %d of %s: %w", p.Number, disk, err)
	}
	return nil
}

// PlanGrowth says how a partition of a disk, or of an image of one, becomes as large as
// the disk allows. It only reads. It returns gpt.ErrNoRoom, wrapped, if it cannot.
func PlanGrowth(disk *os.File, number int) (*gpt.Growth, error) {
	table, size, err := readTable(disk)
	if err != nil {
		return nil, fmt.Errorf("read partition table of %s: %w", disk.Name(), err)
	}
	g, err := gpt.Grow(disk, size, table.SectorSize, number)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", disk.Name(), err)
	}
	return g, nil
}

// Grow makes a partition larger, also one that is in use: in the table of the disk, or
// of its image, and for the kernel, which is told so that nobody has to reboot. It needs
// CAP_SYS_ADMIN for a disk.
func Grow(disk *os.File, g *gpt.Growth) error {
	for _, group := range g.Writes {
		if err := write(disk, group); err != nil {
			return fmt.Errorf("write partition table of %s: %w", disk.Name(), err)
		}
	}
	info, err := disk.Stat()
	if err != nil || info.Mode()&os.ModeDevice == 0 {
		return err
	}
	err = tell(disk, resizePartition, g.New.Number, g.New.Offset, g.New.Size)
	if err != nil {
		return fmt.Errorf("resize partition %d of %s: %w", g.New.Number, disk.Name(), err)
	}
	return nil
}

// write brings writes to the medium.
func write(disk *os.File, writes []gpt.Write) error {
	for _, w := range writes {
		if _, err := disk.WriteAt(w.Data, w.Offset); err != nil {
			return err
		}
	}
	return disk.Sync()
}

// GrowPartition plans the growth of a partition of a disk and does it. It is no error if
// there is no room.
func GrowPartition(disk string, number int) error {
	f, err := os.OpenFile(disk, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	g, err := PlanGrowth(f, number)
	if errors.Is(err, gpt.ErrNoRoom) {
		return nil
	} else if err != nil {
		return err
	}
	return Grow(f, g)
}
