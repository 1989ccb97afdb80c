package bind

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/factory"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// staging is the name under which a directory or a file is made ready. There is one at
// a time in a directory; what a boot that was cut short has left is deleted.
const staging = ".freshroot-keep"

// open refers to a regular file or a directory beneath top, through no link.
func open(top *os.File, name string) (*os.File, error) {
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	}
	full := path.Join(top.Name(), name)
	fd, err := unix.Openat2(int(top.Fd()), name, &how)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", full, err)
	}
	f := os.NewFile(uintptr(fd), full)
	if kind := kindOf(f); kind != unix.S_IFREG && kind != unix.S_IFDIR {
		f.Close()
		return nil, fmt.Errorf("open %q: neither a file nor a directory", full)
	}
	return f, nil
}

// kindOf returns the S_IFMT bits, 0 if they cannot be had.
func kindOf(f *os.File) uint32 {
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil {
		return 0
	}
	return st.Mode & unix.S_IFMT
}

// isDir says what kind of mount point fits: a directory, or a file.
func isDir(f *os.File) bool { return kindOf(f) == unix.S_IFDIR }

// hasContent says whether there is a directory at name beneath top that holds something.
func hasContent(top *os.File, name string) bool {
	dir, err := rootfs.OpenDir(top, name)
	if err != nil {
		return false
	}
	defer dir.Close()
	_, err = dir.Readdirnames(1)
	return err == nil
}

// makeDirs opens a directory beneath top. What is missing on the way is made like its
// counterpart beneath model, or as a plain directory.
func makeDirs(top, model *os.File, name string) (*os.File, error) {
	// Name by name, so that what is new is made in a directory that is known to be the
	// right one: mkdirat(2) follows the links of a longer path.
	dir, err := rootfs.OpenDir(top, ".")
	at := ""
	for part := range strings.SplitSeq(path.Clean(name), "/") {
		if err != nil {
			return nil, err
		}
		at = path.Join(at, part)
		parent := dir
		dir, err = makeDir(parent, part, model, at)
		parent.Close()
	}
	return dir, err
}

// makeDir opens a directory, and makes it like the one at the path beneath model.
func makeDir(parent *os.File, name string, model *os.File, at string) (*os.File, error) {
	dir, err := rootfs.OpenDir(parent, name)
	if !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	if dir, err = newDir(parent, name); err != nil {
		return nil, err
	}
	if err := dress(dir, model, at); err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

// newDir makes a directory that is root's alone until it is dressed.
func newDir(parent *os.File, name string) (*os.File, error) {
	if err := unix.Mkdirat(int(parent.Fd()), name, 0o700); err != nil {
		full := path.Join(parent.Name(), name)
		return nil, fmt.Errorf("make directory %q: %w", full, err)
	}
	return rootfs.OpenDir(parent, name)
}

// dress gives a new directory the owner, the mode and the like of its counterpart.
func dress(dir, model *os.File, at string) error {
	like, err := rootfs.OpenDir(model, at)
	if err != nil {
		return dir.Chmod(0o755) // there is none, or none that is a directory
	}
	defer like.Close()
	return factory.CopyAttributes(dir, like)
}

// begin makes a directory of the instance as it is on the fresh root. It appears in one
// step: half a copy would be taken for what the OS wants to keep, and never completed.
func begin(root, instance *os.File, name string) error {
	parent, err := makeDirs(instance, root, path.Dir(name))
	if err != nil {
		return err
	}
	defer parent.Close()
	return stage(parent, func(dir *os.File) error {
		full, err := newDir(dir, path.Base(name))
		if err != nil {
			return err
		}
		defer full.Close()
		if err := fill(full, root, name); err != nil {
			return err
		}
		return commit(dir, parent, path.Base(name), 0)
	})
}

// fill copies a directory of the fresh root, if there is one.
func fill(dir, root *os.File, name string) error {
	if from, err := rootfs.OpenDir(root, name); err == nil {
		defer from.Close()
		if _, err := factory.Copy(dir, from, factory.Options{}); err != nil {
			return err
		}
	}
	return dress(dir, root, name)
}

// stage lets prepare work in a directory of its own, and deletes what it leaves there.
func stage(parent *os.File, prepare func(dir *os.File) error) error {
	dir, err := newDir(parent, staging)
	if errors.Is(err, fs.ErrExist) {
		// The power went while something was staged here.
		if err := clear(parent); err != nil {
			return err
		}
		dir, err = newDir(parent, staging)
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	return errors.Join(prepare(dir), clear(parent))
}

// clear deletes what was staged in a directory. By way of /proc, it is that directory
// whatever its name leads to; and os.Root leaves it by no link.
func clear(parent *os.File) error {
	root, err := os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", parent.Fd()))
	if err != nil {
		return fmt.Errorf("open directory %q: %w", parent.Name(), err)
	}
	defer root.Close()
	if err := root.RemoveAll(staging); err != nil {
		return fmt.Errorf("clear %q: %w", parent.Name(), err)
	}
	return nil
}

// commit moves what was staged to its place. All is on the disk before the name is, or
// the rename could reach it before the content does.
func commit(from, to *os.File, name string, flags uint) error {
	if err := unix.Syncfs(int(from.Fd())); err != nil {
		return fmt.Errorf("sync %q: %w", from.Name(), err)
	}
	err := unix.Renameat2(int(from.Fd()), name, int(to.Fd()), name, flags)
	if err != nil {
		full := path.Join(from.Name(), name)
		return fmt.Errorf("rename %q to %q: %w", full, to.Name(), err)
	}
	return nil
}
