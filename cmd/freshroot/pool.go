package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/mount"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// withPool shows the top level of a pool to f, mounted without a byte changing. disk
// is the device or the image that holds the partition.
func withPool(disk string, p volatile.Partition, f func(dir *os.File) error) error {
	if err := needsRoot("reading a pool"); err != nil {
		return err
	}
	dir, err := mountPool(disk, p, false)
	if err != nil {
		return err
	}
	defer dir.Close()
	return f(dir)
}

// mountPool mounts the top level of a pool, whose device or image is disk. One that is
// not to be written to is not changed in a single byte; to change one takes its lock.
func mountPool(disk string, p volatile.Partition, writable bool) (*os.File, error) {
	source, err := blockDevice(disk, p, writable)
	if err != nil {
		return nil, err
	}
	defer source.Close() // what is mounted stays
	if writable {
		return mountToChange(source.Name())
	}
	return mountNowhere(source.Name(), "ro", "rescue=nologreplay")
}

// errLogLeft says why a pool cannot be written to. The kernel replays a log when it mounts a
// file system, and not later.
var errLogLeft = errors.New("its log was not replayed, for this boot promises to change nothing: " +
	"boot once with volatile=no; freshroot.reset= on the kernel command line resets without that")

// mountWritable mounts the top level of a pool to change it. The kernel has no words for one
// that is mounted already without its log being replayed.
func mountWritable(path string) (*os.File, error) {
	pool, err := mountNowhere(path)
	switch {
	case errors.Is(err, unix.EINVAL) && hasLog(path):
		return nil, fmt.Errorf("change pool %s: %w", path, errLogLeft)
	case errors.Is(err, unix.EACCES) && isReadOnly(path):
		return nil, fmt.Errorf("change pool %s: %w", path, errReadOnly)
	}
	return pool, err
}

// errReadOnly says why the kernel does not permit it.
var errReadOnly = errors.New("the disk is read-only: by a switch on it, or by blockdev --setro")

// isReadOnly says whether a block device is.
func isReadOnly(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	readOnly, err := device.ReadOnly(f)
	return err == nil && readOnly
}

// hasLog says whether a btrfs has a log that was not replayed.
func hasLog(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	size, err := device.Size(f)
	if err != nil {
		return false
	}
	super, err := btrfs.ReadSuperblock(f, size)
	return err == nil && super.HasLog
}

// needsRoot says so before some call fails without telling why.
func needsRoot(what string) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%s needs root: try sudo", what)
	}
	return nil
}

// mountNowhere mounts the top level of a pool, seen by nobody else.
func mountNowhere(device string, options ...string) (*os.File, error) {
	return mount.Nowhere("btrfs", device, append(options, "subvolid=5")...)
}

// blockDevice opens the block device of a partition, making one for an image, which can
// only be written to if that is asked for.
func blockDevice(disk string, p volatile.Partition, writable bool) (*os.File, error) {
	info, err := os.Stat(disk)
	if err != nil {
		return nil, err
	}
	if info.Mode()&os.ModeDevice != 0 {
		partition, err := os.Open(p.Device)
		if !errors.Is(err, fs.ErrNotExist) {
			return partition, err
		}
		// Nobody has told the kernel of the partitions: of a loop device, mostly.
	}
	f, err := openDisk(disk, writable)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return device.AttachLoop(f, device.Range{Offset: p.Offset, Size: p.Size, Writable: writable})
}

// openDisk opens a disk or an image. To change it takes its lock, for as long as there is a
// loop device, which refers to this opening: of one file system the kernel mounts no second
// device.
func openDisk(path string, writable bool) (*os.File, error) {
	if writable {
		return device.OpenLocked(context.Background(), path, os.O_RDWR)
	}
	return os.Open(path)
}
