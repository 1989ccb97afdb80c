package main

import (
	"errors"
	"os"

	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/mount"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// withPool shows the top level of a pool to f, mounted without a byte changing. disk
// is the device or the image that holds the partition.
func withPool(disk string, p volatile.Partition, f func(dir *os.File) error) error {
	if os.Geteuid() != 0 {
		return errors.New("reading the members of a pool needs root, to mount it read-only: try sudo")
	}
	source, err := blockDevice(disk, p, false)
	if err != nil {
		return err
	}
	defer source.Close()
	dir, err := mountNowhere(source.Name(), "ro", "rescue=nologreplay")
	if err != nil {
		return err
	}
	defer dir.Close()
	return f(dir)
}

// mountNowhere mounts the top level of a pool, seen by nobody else.
func mountNowhere(device string, options ...string) (*os.File, error) {
	return mount.Nowhere("btrfs", device, append(options, "subvolid=5")...)
}

// blockDevice opens the block device of a partition, making one for an image, which can
// only be written to if that is asked for.
func blockDevice(disk string, p volatile.Partition, writable bool) (*os.File, error) {
	mode := os.O_RDONLY
	if writable {
		mode = os.O_RDWR
	}
	f, err := os.OpenFile(disk, mode, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode()&os.ModeDevice != 0 {
		f.Close()
		return os.Open(p.Device)
	}
	defer f.Close()
	return device.AttachLoop(f, device.Range{Offset: p.Offset, Size: p.Size, Writable: writable})
}
