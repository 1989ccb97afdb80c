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
			GrowFS:   entry.Attributes&gpt.GrowFS != 0,
		}
		most := entry.Size
		if grown, err := table.Grown(entry.Number); err == nil {
			most = grown.Size
		}
		readSuperblock(io.NewSectionReader(f, entry.Offset, entry.Size), most, &p)
		list = append(list, p)
	}
	return list
}

// whole is a disk without partitions that may hold a file system itself.
func whole(f *os.File, path string, size int64) volatile.Partition {
	p := volatile.Partition{Device: path, Disk: filepath.Base(path), Size: size}
	readSuperblock(io.NewSectionReader(f, 0, size), size, &p)
	return p
}

// leastRoom is what a file system has to gain, in bytes, for its growth to be worth it.
const leastRoom = 1 << 20

// readSuperblock looks at a file system that could have most bytes.
func readSuperblock(r *io.SectionReader, most int64, p *volatile.Partition) {
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
		if room := most - int64(super.Size); room >= leastRoom && most >= btrfs.LeastSize {
			p.Room = room
		}
	}
}
