package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/factory"
)

// output is a file that has no name until it is complete.
type output struct {
	*os.File
	path string
	temp string // its name where the file system has no files without one
}

// create makes a file in the directory that path is in.
func create(path string, force bool) (*output, error) {
	if err := replaceable(path, force); err != nil {
		return nil, err
	}
	return createAs(path, 0o644)
}

// createAs makes a file with a mode in the directory that path is in.
func createAs(path string, mode fs.FileMode) (*output, error) {
	dir := filepath.Dir(path)
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, uint32(mode))
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) {
		f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
		if err != nil {
			return nil, err
		}
		return &output{f, path, f.Name()}, f.Chmod(mode)
	}
	if err != nil {
		return nil, &os.PathError{Op: "create", Path: path, Err: err}
	}
	// By this name the programs that are run find it as well.
	name := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd)
	return &output{File: os.NewFile(uintptr(fd), name), path: path}, nil
}

// createLike makes a file that belongs to whom another one belongs to, and may be read by nobody
// else, before there is anything in it to be read.
func createLike(path string, other *os.File) (*output, error) {
	if err := replaceable(path, true); err != nil {
		return nil, err
	}
	o, err := createAs(path, 0o600)
	if err != nil {
		return nil, err
	}
	// What a directory hands down to new files, the other one may not have.
	_ = unix.Fremovexattr(int(o.Fd()), "system.posix_acl_access")
	if err := factory.CopyAttributes(o.File, other); err != nil {
		o.discard()
		return nil, err
	}
	return o, nil
}

// replaceable refuses a name that is not to be taken. A device is never replaced: who names
// one wants it to be written to, and a file in its place is what nobody looks for.
func replaceable(path string, force bool) error {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil // nothing to replace; what else is wrong shows when the file is made
	case !info.Mode().IsRegular() && info.Mode().Type() != fs.ModeSymlink:
		return fmt.Errorf("%s is no file: name one; for a disk there is freshroot install", path)
	case !force:
		return fmt.Errorf("%s exists: remove it, or replace it with --force", path)
	}
	return nil
}

// resize makes it so many bytes large.
func (o *output) resize(size int64) error {
	if err := unix.Ftruncate(int(o.Fd()), size); err != nil {
		return fmt.Errorf("make %s %d bytes large: %w", o.path, size, err)
	}
	return nil
}

// discard closes the file, which is gone if it got no name.
func (o *output) discard() {
	o.Close()
	if o.temp != "" {
		os.Remove(o.temp)
	}
}

// commit gives the file its name, once it is on the disk. It replaces what has the name.
func (o *output) commit() error {
	if err := o.Sync(); err != nil {
		return err
	}
	if o.temp == "" {
		temp, err := o.link()
		if err != nil {
			return err
		}
		o.temp = temp
	}
	if err := os.Rename(o.temp, o.path); err != nil {
		return err
	}
	o.temp = ""
	return syncDir(filepath.Dir(o.path))
}

// link gives a file without a name one that nobody uses.
func (o *output) link() (string, error) {
	for i := range 100 {
		name := fmt.Sprintf("%s/.%s.%d.%d", filepath.Dir(o.path), filepath.Base(o.path), os.Getpid(), i)
		err := unix.Linkat(unix.AT_FDCWD, o.Name(), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return name, os.NewSyscallError("link", err)
		}
	}
	return "", fmt.Errorf("no name is free beside %s", o.path)
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
