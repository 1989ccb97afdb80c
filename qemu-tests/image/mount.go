package image

import (
	"errors"
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// Attach gives fn a loop device with partition part of the image, counted from 1;
// 0 is the whole disk.
func Attach(path string, part int, ro bool, fn func(dev string) error) error {
	err := withDevice(path, part, ro, func(dev *os.File) error {
		return fn(dev.Name())
	})
	if err != nil {
		return fmt.Errorf("attach partition %d of image %s: %w", part, path, err)
	}
	return nil
}

// Mount gives fn the mounted file system of partition part, counted from 1, of the
// image: of btrfs, the top level.
//
// If ro, not a byte of the image changes. For that reason an image that was in use
// when the power was cut may be mountable only otherwise: its log must be replayed.
//
// Never mount two images with the same file system UUID at the same time, such as
// an image and its copy: btrfs takes them for one.
func Mount(path string, part int, ro bool, fn func(root string) error) error {
	err := withDevice(path, part, ro, func(dev *os.File) error {
		fstype, err := probe(dev)
		if err != nil {
			return err
		}
		return mounted(dev.Name(), fstype, ro, fn)
	})
	if err != nil {
		return fmt.Errorf("mount partition %d of image %s: %w", part, path, err)
	}
	return nil
}

// withDevice gives fn a loop device, which is gone when withDevice returns, unless fn
// left something mounted from it.
func withDevice(path string, part int, ro bool, fn func(dev *os.File) error) error {
	flag := os.O_RDWR
	if ro {
		flag = os.O_RDONLY
	}
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	e, err := locate(f, part)
	if err != nil {
		return err
	}
	dev, err := attach(f, e, ro)
	if err != nil {
		return err
	}
	defer dev.Close()
	return fn(dev)
}

// probe tells the file systems that Create makes from each other.
func probe(dev *os.File) (string, error) {
	for _, fs := range []struct {
		name   string
		offset int64
		magic  string
	}{
		{"btrfs", 64<<10 + 64, "_BHRfS_M"},
		{"ext4", 1024 + 56, "\x53\xef"},
		{"vfat", 82, "FAT32"},
	} {
		got := make([]byte, len(fs.magic))
		if _, err := dev.ReadAt(got, fs.offset); err != nil {
			return "", fmt.Errorf("probe: %w", err)
		}
		if string(got) == fs.magic {
			return fs.name, nil
		}
	}
	return "", errors.New("probe: no known file system")
}

// mounted mounts dev and calls fn with the directory. The mount is an ordinary one, so
// that fn may use any program on it.
func mounted(dev, fstype string, ro bool, fn func(root string) error) (err error) {
	dir, err := os.MkdirTemp("", "image")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(dir)) }()
	var flags uintptr
	var options string
	if ro {
		flags = unix.MS_RDONLY
	}
	if fstype == "btrfs" {
		options = "subvolid=5" // there may be another default
	}
	if err := unix.Mount(dev, dir, fstype, flags, options); err != nil {
		return fmt.Errorf("mount %s %s (%s): %w", fstype, dev, options, err)
	}
	unguard := guard(func() {
		_ = unix.Unmount(dir, unix.MNT_DETACH)
		_ = os.Remove(dir)
	})
	defer unguard()
	return errors.Join(fn(dir), unmount(dir))
}

// unmount tells if it did not succeed, as then the image may not be complete, and
// leaves nothing mounted either way.
func unmount(dir string) error {
	err := unix.Unmount(dir, unix.UMOUNT_NOFOLLOW)
	if err == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("unmount %s: %w", dir, err),
		unix.Unmount(dir, unix.MNT_DETACH))
}

// guard calls undo if the process is told to end before the returned function is
// called. The signal is then sent again, to whoever else waits for it or to end the
// process.
func guard(undo func()) (unguard func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	done := make(chan struct{})
	go func() {
		select {
		case s := <-signals:
			undo()
			signal.Stop(signals)
			_ = unix.Kill(os.Getpid(), s.(unix.Signal))
		case <-done:
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}
