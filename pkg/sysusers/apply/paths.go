package apply

import (
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// open opens a path beneath a root, whose links cannot lead out of it.
func open(root *os.File, name string, flags int, mode uint64) (*os.File, error) {
	// A link to /usr/x is one to usr/x beneath the root, and .. stops there.
	how := unix.OpenHow{
		Flags: uint64(flags) | unix.O_CLOEXEC, Mode: mode, Resolve: unix.RESOLVE_IN_ROOT,
	}
	full := path.Join(root.Name(), name)
	for {
		fd, err := unix.Openat2(int(root.Fd()), name, &how)
		switch err {
		case nil:
			return os.NewFile(uintptr(fd), full), nil
		case unix.EINTR, unix.EAGAIN: // the tree changed while the kernel looked
		default:
			return nil, fmt.Errorf("open %q: %w", full, err)
		}
	}
}

// stat describes what an absolute path leads to.
func stat(root *os.File, name string) (st unix.Stat_t, err error) {
	// The root itself is a path, too.
	f, err := open(root, "./"+strings.TrimLeft(name, "/"), unix.O_PATH, 0)
	if err != nil {
		return st, err
	}
	defer f.Close()
	return st, unix.Fstat(int(f.Fd()), &st)
}

// owner returns whose a file is.
func owner(root *os.File, name string) (uid, gid uint32, ok bool) {
	st, err := stat(root, name)
	// Why a file cannot be seen does not matter: the id then comes from elsewhere.
	return st.Uid, st.Gid, err == nil
}

// same says that two paths lead to one file.
func same(root *os.File, a, b string) bool {
	// A path that leads nowhere is not the same as another one.
	first, err1 := stat(root, a)
	second, err2 := stat(root, b)
	return err1 == nil && err2 == nil &&
		first.Dev == second.Dev && first.Ino == second.Ino
}
