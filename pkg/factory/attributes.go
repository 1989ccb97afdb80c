package factory

import (
	"bytes"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// handle is an open inode. One that is only referred to (O_PATH: symbolic
// links, nodes) is reached through /proc by calls that want a real file.
type handle struct {
	fd       int
	pathOnly bool
}

// proc is a path that leads to the inode itself, even to a symbolic link.
func (h handle) proc() string { return "/proc/self/fd/" + strconv.Itoa(h.fd) }

func (h handle) listxattr(buf []byte) (int, error) {
	if h.pathOnly {
		return unix.Listxattr(h.proc(), buf)
	}
	return flistxattr(h.fd, buf)
}

func (h handle) getxattr(name string, buf []byte) (int, error) {
	if h.pathOnly {
		return unix.Getxattr(h.proc(), name, buf)
	}
	return unix.Fgetxattr(h.fd, name, buf)
}

func (h handle) setxattr(name string, value []byte) error {
	if h.pathOnly {
		return unix.Setxattr(h.proc(), name, value, 0)
	}
	return unix.Fsetxattr(h.fd, name, value, 0)
}

func (h handle) removexattr(name string) error {
	if h.pathOnly {
		return unix.Removexattr(h.proc(), name)
	}
	return unix.Fremovexattr(h.fd, name)
}

// dropACLs removes what a new inode inherited from a default ACL.
func (h handle) dropACLs() error {
	for _, name := range []string{"system.posix_acl_access", "system.posix_acl_default"} {
		switch err := h.removexattr(name); err {
		case nil, unix.ENODATA, unix.EOPNOTSUPP:
		default:
			return fmt.Errorf("remove xattr %q: %w", name, err)
		}
	}
	return nil
}

// perm tells owner and mode.
func (h handle) perm() (perm, error) {
	var st unix.Stat_t
	if err := unix.Fstat(h.fd, &st); err != nil {
		return perm{}, fmt.Errorf("stat copy: %w", err)
	}
	return permOf(&st), nil
}

func permOf(st *unix.Stat_t) perm {
	p := perm{st.Uid, st.Gid, st.Mode & 0o7777}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		p.mode = 0 // a symbolic link has none that could be set
	}
	return p
}

// setPerm sets the owner and the mode, where they are not right already.
func (h handle) setPerm(want, have perm) error {
	if err := h.chown(want, have); err != nil {
		return err
	}
	return h.chmod(want, have)
}

func (h handle) chown(want, have perm) error {
	if want.uid == have.uid && want.gid == have.gid {
		return nil
	}
	err := unix.Fchownat(h.fd, "", int(want.uid), int(want.gid), unix.AT_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("set owner: %w", err)
	}
	return nil
}

func (h handle) chmod(want, have perm) error {
	if want.mode == have.mode {
		return nil
	}
	var err error
	if h.pathOnly {
		err = unix.Chmod(h.proc(), want.mode)
	} else {
		err = unix.Fchmod(h.fd, want.mode)
	}
	if err != nil {
		return fmt.Errorf("set mode: %w", err)
	}
	return nil
}

// setAttributes gives dst, which has the owner and mode that have tells, the
// attributes of src. The order matters: a change of owner takes the set-id
// bits and the capabilities away, and all of it changes the times.
func (w *worker) setAttributes(dst, src handle, st *unix.Stat_t, have perm) error {
	want := permOf(st)
	if err := dst.chown(want, have); err != nil {
		return err
	}
	// Between the two: an ACL sets the group bits of the mode, the mode the
	// mask of the ACL. The factory's agree, so the last one changes nothing.
	if err := w.copyXattrs(dst, src); err != nil {
		return err
	}
	if err := dst.chmod(want, have); err != nil {
		return err
	}
	if err := setTimes(dst.fd, "", st.Atim, st.Mtim); err != nil {
		return fmt.Errorf("set times: %w", err)
	}
	return nil
}

// copyXattrs copies the extended attributes, ACLs among them.
func (w *worker) copyXattrs(dst, src handle) error {
	n, err := src.listxattr(w.buf[:listSize])
	if err == unix.EOPNOTSUPP { // the factory's file system has none
		return nil
	}
	if err != nil {
		return fmt.Errorf("list xattrs: %w", err)
	}
	for names := w.buf[:n]; len(names) > 0; {
		name, rest, _ := bytes.Cut(names, []byte{0})
		if err := w.copyXattr(dst, src, string(name)); err != nil {
			return fmt.Errorf("xattr %q: %w", name, err)
		}
		names = rest
	}
	return nil
}

func (w *worker) copyXattr(dst, src handle, name string) error {
	value := w.buf[listSize:]
	n, err := src.getxattr(name, value)
	if err == nil {
		err = dst.setxattr(name, value[:n])
	}
	switch err {
	case unix.EOPNOTSUPP: // old kernels have no user.* on tmpfs
		w.LostXattrs++
		return nil
	case unix.ENODATA: // removed since it was listed
		return nil
	}
	return err
}
