package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/volatile"
)

// changePool lets f change the pool that this machine runs from. A pool that nothing
// of this boot writes to is protected again afterwards, for volatile=yes promises it.
func (b bootRecord) changePool(f func(pool *os.File) error) error {
	if err := needsRoot("changing the pool"); err != nil {
		return err
	}
	pool, err := mountToChange(b.Pool.Device)
	if err != nil {
		return err
	}
	defer pool.Close()
	return errors.Join(f(pool), b.restore(pool))
}

// restore makes the pool of this machine read-only again where the mode promises it.
func (b bootRecord) restore(pool *os.File) error {
	if b.Mode == volatile.Overlay || b.Mode == volatile.Yes && b.Instance == "" {
		return remount(pool, "ro")
	}
	return nil
}

// remount makes a file system read-only or writable, "ro" or "rw", wherever it is mounted.
func remount(dir *os.File, flag string) error {
	fs, err := unix.Fspick(int(dir.Fd()), "", unix.FSPICK_CLOEXEC|unix.FSPICK_EMPTY_PATH)
	if err == nil {
		defer unix.Close(fs)
		err = errors.Join(unix.FsconfigSetFlag(fs, flag), unix.FsconfigReconfigure(fs))
	}
	if err != nil {
		return fmt.Errorf("remount btrfs %s (%s): %w", dir.Name(), flag, err)
	}
	return nil
}

// readPool shows the pool that this machine runs from to f, without changing it: a
// second mount as it is mounted already, read-only where that is.
func (b bootRecord) readPool(f func(pool *os.File) error) error {
	if err := needsRoot("looking at the pool"); err != nil {
		return err
	}
	p := volatile.Partition{Device: b.Pool.Device}
	return withPool(b.Pool.Device, p, f)
}
