package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/rootfs"
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

// mountNowhere mounts the top level of a pool out of sight.
func mountNowhere(device string, options ...string) (*os.File, error) {
	return mountHidden("btrfs", device, append(options, "subvolid=5")...)
}

// mountHidden mounts a file system, but at no place: only who has the descriptor sees
// it, and nothing is left when the program ends in any way.
func mountHidden(fstype, device string, options ...string) (*os.File, error) {
	fs, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open file system %s: %w", fstype, err)
	}
	defer unix.Close(fs)
	err = unix.FsconfigSetString(fs, "source", device)
	for _, option := range options {
		if key, value, ok := strings.Cut(option, "="); ok {
			err = errors.Join(err, unix.FsconfigSetString(fs, key, value))
		} else {
			err = errors.Join(err, unix.FsconfigSetFlag(fs, option))
		}
	}
	if err == nil {
		err = unix.FsconfigCreate(fs)
	}
	var fd int
	if err == nil {
		fd, err = unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("mount %s %s (%s): %w", fstype, device, strings.Join(options, ","), err)
	}
	mounted := os.NewFile(uintptr(fd), device)
	defer mounted.Close()
	return rootfs.OpenDir(mounted, ".") // the other one can neither be listed nor synced
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
