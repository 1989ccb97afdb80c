package device

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// ReadDisk looks at what is on a disk: a block device, or a file with the image of
// one. What cannot be read is described in the result. It does not change a byte.
func ReadDisk(path string) volatile.Disk {
	d := volatile.Disk{Name: filepath.Base(path)}
	f, err := os.Open(path)
	if err != nil {
		d.Err = err
		return d
	}
	defer f.Close()
	table, size, err := readTable(f)
	d.Size, d.Err = size, err
	if err == nil {
		d.Partitions = partitions(f, path, table)
	} else if p := whole(f, path, size); p.UUID != "" {
		d.Partitions = []volatile.Partition{p}
	}
	return d
}

// readTable reads the partition table, in the sector size of the device; that of an
// image has to be tried out.
func readTable(f *os.File) (table *gpt.Table, size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if info.Mode()&os.ModeDevice == 0 {
		table, err = gpt.Probe(f, info.Size())
		return table, info.Size(), err
	}
	size, err = Size(f)
	if err != nil {
		return nil, 0, err
	}
	sector, err := unix.IoctlGetInt(int(f.Fd()), unix.BLKSSZGET)
	if err != nil {
		return nil, size, fmt.Errorf("read sector size of %s: %w", f.Name(), err)
	}
	table, err = gpt.Read(f, size, sector)
	return table, size, err
}

// Size returns the size of a block device in bytes.
func Size(f *os.File) (int64, error) {
	var size uint64
	request := uintptr(unix.BLKGETSIZE64)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return 0, fmt.Errorf("read size of %s: %w", f.Name(), errno)
	}
	return int64(size), nil
}

func partitions(f *os.File, path string, table *gpt.Table) []volatile.Partition {
	list := make([]volatile.Partition, 0, len(table.Partitions))
	for _, entry := range table.Partitions {
		p := volatile.Partition{
			Device:   PartitionName(path, entry.Number),
			Number:   entry.Number,
			Type:     entry.Type.String(),
			PartUUID: entry.GUID.String(),
			Label:    entry.Label,
			Disk:     filepath.Base(path),
			Offset:   entry.Offset,
			Size:     entry.Size,
		}
		readSuperblock(io.NewSectionReader(f, entry.Offset, entry.Size), &p)
		list = append(list, p)
	}
	return list
}

// whole is a disk without partitions that may hold a file system itself.
func whole(f *os.File, path string, size int64) volatile.Partition {
	p := volatile.Partition{Device: path, Disk: filepath.Base(path), Size: size}
	readSuperblock(io.NewSectionReader(f, 0, size), &p)
	return p
}

func readSuperblock(r *io.SectionReader, p *volatile.Partition) {
	super, err := btrfs.ReadSuperblock(r, r.Size())
	switch {
	case errors.Is(err, btrfs.ErrNotBtrfs):
		p.Problem = "no btrfs"
	case err != nil:
		p.Problem = err.Error()
	case super.Devices != 1:
		p.Problem = fmt.Sprintf("btrfs over %d devices; a pool has one", super.Devices)
	default:
		p.UUID, p.FSLabel, p.Checksum = super.UUID, super.Label, super.Checksum
		p.HasLog = super.HasLog
	}
}

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

// AddPartition makes the kernel know a partition that it did not find itself: it
// does not look for a backup table. It is no error if it knows the partition.
func AddPartition(disk string, p volatile.Partition) error {
	f, err := os.Open(disk)
	if err != nil {
		return err
	}
	defer f.Close()
	const addPartition = 1
	data := &blkpgPartition{start: p.Offset, length: p.Size, number: int32(p.Number)}
	arg := &blkpg{op: addPartition, datalen: int32(unsafe.Sizeof(*data)), data: data}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.BLKPG, uintptr(unsafe.Pointer(arg)))
	if errno != 0 && errno != unix.EBUSY {
		return fmt.Errorf("add partition %d of %s: %w", p.Number, disk, errno)
	}
	return nil
}
