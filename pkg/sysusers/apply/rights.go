package apply

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// copyRights gives a file the owner, the mode, and the extended attributes of another
// one: its access control list is among them.
func copyRights(to, from *os.File) (st unix.Stat_t, err error) {
	var have unix.Stat_t
	if err := unix.Fstat(int(from.Fd()), &st); err != nil {
		return st, err
	}
	if err := unix.Fstat(int(to.Fd()), &have); err != nil {
		return st, err
	}
	// Who owns a file need not be allowed to give it to itself.
	if st.Uid != have.Uid || st.Gid != have.Gid {
		if err := unix.Fchown(int(to.Fd()), int(st.Uid), int(st.Gid)); err != nil {
			return st, err
		}
	}
	// After the owner: changing that takes bits of the mode away.
	if err := unix.Fchmod(int(to.Fd()), st.Mode&0o7777); err != nil {
		return st, err
	}
	return st, copyAttributes(to, from)
}

// copyAttributes leaves out what security modules keep: they label the new file
// themselves, by rules of their own.
func copyAttributes(to, from *os.File) error {
	names, err := attribute(func(b []byte) (int, error) {
		return unix.Flistxattr(int(from.Fd()), b)
	})
	// Not every file system has attributes.
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(names), "\x00"), "\x00") {
		// A file may have none.
		if name == "" || strings.HasPrefix(name, "security.") {
			continue
		}
		// Users may have put attributes of any size there; the kernel bounds them.
		value, err := attribute(func(b []byte) (int, error) {
			return unix.Fgetxattr(int(from.Fd()), name, b)
		})
		if err == nil {
			err = unix.Fsetxattr(int(to.Fd()), name, value, 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// attribute asks for the size of an answer first. Most files have no attributes.
func attribute(get func([]byte) (int, error)) ([]byte, error) {
	n, err := get(nil)
	if err != nil || n == 0 {
		return nil, err
	}
	// The kernel has no attribute, and no list, of more than 64 KiB.
	value := make([]byte, n)
	// It may have shrunk; if it grew, the caller is told.
	n, err = get(value)
	return value[:max(n, 0)], err
}
