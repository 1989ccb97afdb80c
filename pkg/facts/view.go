package facts

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/rootfs"
)

// view is the root that a golden master and an /etc are going to make.
type view struct{ usr, etc fs.FS }

// Open opens a file of either.
func (v view) Open(name string) (fs.File, error) {
	if rest, ok := strings.CutPrefix(name, "usr/"); ok {
		return v.usr.Open(rest)
	}
	if rest, ok := strings.CutPrefix(name, "etc/"); ok {
		return v.etc.Open(rest)
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// View calls f with the /usr and the /etc that a golden master will have with an
// instance, or with its own factory if instance is "".
func View(pool *os.File, usr, instance string, f func(root fs.FS) error) error {
	golden, err := rootfs.OpenDir(pool, usr)
	if err != nil {
		return err
	}
	defer golden.Close()
	dir, path := golden, "share/factory/etc"
	if instance != "" {
		dir, path = pool, instance+"/etc"
	}
	etc, err := rootfs.OpenDir(dir, path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		// What is no /etc has no configuration, but that of the vendor counts.
		return f(view{usr: rootfs.FS(golden), etc: none{}})
	} else if err != nil {
		return err
	}
	defer etc.Close()
	return f(view{usr: rootfs.FS(golden), etc: rootfs.FS(etc)})
}

// none is an empty directory.
type none struct{}

// Open finds nothing.
func (none) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}
