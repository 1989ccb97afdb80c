package apply

import (
	"bytes"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/tmpfiles"
)

// permissions gives an inode the owner and the mode of a line. What the line says with
// ":" is only for inodes that did not exist.
func (a *applier) permissions(l *tmpfiles.Line, n node, path string, existed bool) error {
	if !l.Mode.Set && !l.User.Set && !l.Group.Set {
		return nil
	}
	if err := a.hardLinked(n); err != nil {
		return a.fail("set permissions of", path, err)
	}
	uid, gid := ownerFor(l.User, n.st.Uid, existed), ownerFor(l.Group, n.st.Gid, existed)
	mode := modeFor(l.Mode, n.st.Mode, existed)
	have := n.st.Mode & 0o7777
	chown := uid != n.st.Uid || gid != n.st.Gid
	if chown {
		// Until both are right, nobody may do more than is allowed before and after.
		if common := mode & have; mode != have && common != have {
			if err := a.setMode(n, path, common, "temporarily change"); err != nil {
				return err
			}
		}
		if err := a.setOwner(n, path, uid, gid); err != nil {
			return err
		}
	}
	if chown || mode != have { // a change of owner takes set-id bits away
		return a.setMode(n, path, mode, "change")
	}
	return nil
}

// ownerFor is the owner that an inode is to have.
func ownerFor(o tmpfiles.Owner, have uint32, existed bool) uint32 {
	if !o.Set || o.IfNew && existed {
		return have
	}
	return o.ID
}

// modeFor is the mode that an inode is to have.
func modeFor(m tmpfiles.Mode, have uint32, existed bool) uint32 {
	switch {
	case !m.Set || m.IfNew && existed:
		return have & 0o7777
	case m.Masked:
		return mask(m.Bits, have)
	}
	return m.Bits
}

// mask takes away the bits of a class (read, write, execute) that nobody has so far,
// and from files the set-id and sticky bits.
func mask(mode, have uint32) uint32 {
	for _, class := range []uint32{0o111, 0o222, 0o444} {
		if have&class == 0 {
			mode &^= class
		}
	}
	if have&unix.S_IFMT != unix.S_IFDIR {
		mode &= 0o777
	}
	return mode
}

// setMode sets the mode; a symbolic link has none.
func (a *applier) setMode(n node, path string, mode uint32, verb string) error {
	if n.isLink() || a.would("%s %q to mode %o", verb, a.name(path), mode) {
		return nil
	}
	if err := chmod(n.fd, mode); err != nil {
		return a.fail("set mode of", path, err)
	}
	return nil
}

// setOwner sets the owner and group of an inode itself, also of a symbolic link.
func (a *applier) setOwner(n node, path string, uid, gid uint32) error {
	if a.would("change %q to owner %d:%d", a.name(path), uid, gid) {
		return nil
	}
	err := unix.Fchownat(n.fd, "", int(uid), int(gid), unix.AT_EMPTY_PATH)
	if err != nil {
		return a.fail("set owner of", path, err)
	}
	if n.isDir() {
		a.tree.changed(n.id())
	}
	return nil
}

// hardLinked refuses an inode with other names, where the kernel lets users make hard
// links to what is not theirs.
func (a *applier) hardLinked(n node) error {
	if n.isDir() || n.st.Nlink < 2 {
		return nil
	}
	// Once: nobody turns it off while lines are applied.
	if !a.linksChecked {
		a.linksChecked = true
		value, err := os.ReadFile("/proc/sys/fs/protected_hardlinks")
		a.linksProtected = err == nil && !bytes.Equal(bytes.TrimSpace(value), []byte("0"))
	}
	if a.linksProtected {
		return nil
	}
	return fmt.Errorf("has other names, and fs.protected_hardlinks is off: %w",
		unix.EPERM)
}
