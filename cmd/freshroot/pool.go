package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/mount"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// withPool shows the top level of a pool to f: mounted without a byte changing, and
// in a mount namespace of its own, so that nobody else sees it and nothing is left
// when the program ends in any way. disk is the device or the image that holds the
// partition.
func withPool(disk string, p volatile.Partition, f func(dir *os.File) error) error {
	if os.Geteuid() != 0 {
		return errors.New("reading the members of a pool needs root, to mount it read-only: try sudo")
	}
	source, err := blockDevice(disk, p)
	if err != nil {
		return err
	}
	defer source.Close()
	done := make(chan error)
	go func() {
		// The thread is not unlocked: it ends with the goroutine, and its namespace
		// with the mount goes with it.
		runtime.LockOSThread()
		done <- inPrivateMount(source.Name(), f)
	}()
	return <-done
}

// blockDevice opens the block device of a partition, making one for an image.
func blockDevice(disk string, p volatile.Partition) (*os.File, error) {
	f, err := os.Open(disk)
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
	return device.AttachLoop(f, device.Range{Offset: p.Offset, Size: p.Size})
}

func inPrivateMount(source string, f func(dir *os.File) error) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("make mount namespace: %w", err)
	}
	if err := mount.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	target, err := os.MkdirTemp("", "freshroot-pool-")
	if err != nil {
		return err
	}
	defer os.Remove(target)
	readOnly, options := volatile.PoolMount(volatile.Options{Mode: volatile.Yes}, true)
	if !readOnly {
		return errors.New("mount pool: it would be writable")
	}
	if err := mount.Mount(source, target, "btrfs", unix.MS_RDONLY, options); err != nil {
		return err
	}
	defer mount.Unmount(target)
	dir, err := os.Open(target)
	if err != nil {
		return err
	}
	defer dir.Close()
	return f(dir)
}
