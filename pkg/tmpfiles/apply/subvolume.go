package apply

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/tmpfiles"
)

// createSubvolume makes a btrfs subvolume, v, q or Q: where the root is one, since else
// somebody meant it to be small. Anywhere else it makes a directory.
func (a *applier) createSubvolume(l *tmpfiles.Line) error {
	if a.would("create subvolume %s", a.name(l.Path)) {
		return nil
	}
	dir, base, err := a.place(l)
	if err != nil {
		return a.fail("create subvolume", l.Path, err)
	}
	made := error(unix.EOPNOTSUPP)
	if a.rootIsSubvolume() {
		made = makeSubvolume(dir.fd, base, l.Mode.Bits)
	}
	if unsupported(made) {
		made = unix.Mkdirat(dir.fd, base, l.Mode.Bits)
	} else if made == nil && l.Is("qQ") {
		if err := joinQuota(dir.fd, base, l.Type == 'Q'); err != nil {
			return errors.Join(a.fail("set quota groups of", l.Path, err),
				a.finishDirectory(l, dir, base, nil))
		}
	}
	return a.finishDirectory(l, dir, base, made)
}

// rootIsSubvolume asks anew for each: there are few such lines.
func (a *applier) rootIsSubvolume() bool {
	dir, err := openFileAt(a.tree.root.fd, ".")
	if err != nil {
		return false
	}
	defer dir.Close()
	is, err := btrfs.IsSubvolume(dir)
	return err == nil && is
}

// makeSubvolume makes a subvolume with a mode, as mkdir does. The kernel gives it all
// bits but those of the umask, which is the whole process's for that moment.
func makeSubvolume(dir int, base string, mode uint32) error {
	parent, err := openFileAt(dir, ".")
	if err != nil {
		return err
	}
	defer parent.Close()
	mask := unix.Umask(int(^mode & 0o777))
	defer unix.Umask(mask)
	err = btrfs.CreateSubvolume(parent, base)
	var failed *btrfs.IoctlError
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// openFileAt opens a directory for calls that want a file.
func openFileAt(dir int, name string) (*os.File, error) {
	fd, err := list(dir, name)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}
