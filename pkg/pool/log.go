package pool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// logs is the directory of what boots have said that were not blessed: a file for each
// version.
const logs = ".freshroot/log"

// MaxLog bounds a log, in bytes. Of a longer one the end is kept.
const MaxLog = 256 << 10

// SaveLog keeps the log of a version's boot, in the place of an older one. Logs of
// versions that the pool no longer has are dropped.
func SaveLog(pool *os.File, entry string, text []byte) error {
	m, err := subvol.Parse(entry)
	if err != nil {
		return err
	}
	if err := makeOwn(pool, logs); err != nil {
		return err
	}
	dir, err := rootfs.OpenDir(pool, logs)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dropGone(pool, dir); err != nil {
		return err
	}
	text = text[max(0, len(text)-MaxLog):]
	if err := replaceFile(pool, dir, blessed(m), text); err != nil {
		return fmt.Errorf("save log of %q: %w", entry, err)
	}
	return nil
}

// Log returns the log that is kept of a version. The error is fs.ErrNotExist if there
// is none.
func Log(pool *os.File, entry string) ([]byte, error) {
	m, err := subvol.Parse(entry)
	if err != nil {
		return nil, err
	}
	dir, err := rootfs.OpenDir(pool, logs)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	f, err := rootfs.FS(dir).Open(blessed(m))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxLog))
}

// KernelLog returns what the kernel has said since it started, as far as it remembers:
// with it what was written to /dev/kmsg.
func KernelLog() ([]byte, error) {
	const readAll, sizeOf = 3, 10 // of syslog(2)
	size, err := unix.Klogctl(sizeOf, nil)
	if err != nil {
		return nil, fmt.Errorf("size of the kernel's log: %w", err)
	}
	text := make([]byte, min(max(size, 0), 4*MaxLog))
	n, err := unix.Klogctl(readAll, text)
	if err != nil {
		return nil, fmt.Errorf("read the kernel's log: %w", err)
	}
	return text[:n], nil
}

// dropGone removes the files of a directory that are of versions that are no longer there.
func dropGone(pool, dir *os.File) error {
	entries, err := Entries(pool)
	if err != nil {
		return err
	}
	wanted := make(map[string]bool, len(entries))
	for _, entry := range entries {
		if m, err := subvol.Parse(entry); err == nil && m.Kind == subvol.Usr {
			wanted[blessed(m)] = true
		}
	}
	names, err := Entries(dir)
	for _, name := range names {
		if !wanted[name] {
			err = errors.Join(err, remove(dir, name))
		}
	}
	return err
}

// staging is where package instance prepares what it changes, and clears what a power
// cut has left.
const staging = ".freshroot/staging"

// replaceFile writes a file in staging, and puts it in its place when it is on the disk.
func replaceFile(pool, dir *os.File, name string, text []byte) error {
	if err := makeOwn(pool, staging); err != nil {
		return err
	}
	beside, err := rootfs.OpenDir(pool, staging)
	if err != nil {
		return err
	}
	defer beside.Close()
	if err := remove(beside, name); err != nil {
		return err
	}
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_CLOEXEC
	fd, err := unix.Openat(int(beside.Fd()), name, flags, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), name)
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, remove(beside, name))
	}
	return unix.Renameat(int(beside.Fd()), name, int(dir.Fd()), name)
}

// makeOwn makes a directory of ours, below .freshroot.
func makeOwn(pool *os.File, name string) error {
	for _, dir := range []string{".freshroot", name} {
		err := unix.Mkdirat(int(pool.Fd()), dir, 0o700)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make directory %s: %w", dir, err)
		}
	}
	return nil
}

// remove removes a file, if it is there.
func remove(dir *os.File, name string) error {
	err := unix.Unlinkat(int(dir.Fd()), name, 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %q: %w", dir.Name()+"/"+name, err)
	}
	return nil
}
