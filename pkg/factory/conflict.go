package factory

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Why an entry cannot be created; neither ends the copy.
var (
	errOccupied = errors.New("occupied") // the name exists
	errReplaced = errors.New("replaced") // it no longer is what we made
)

// leaveAlone notes why the entry name of d, of the wanted type, is not copied.
// Any other error than the two above is returned.
func (w *worker) leaveAlone(d *dir, name string, want uint32, why error) error {
	switch {
	case errors.Is(why, errReplaced):
		w.Kept++
		w.conflict(d, name, "replaced while it was copied")
	case errors.Is(why, errOccupied):
		return w.keep(d, name, want)
	default:
		return why
	}
	return nil
}

// keep notes an entry that exists already, and that it is a conflict when its
// type is not the wanted one.
func (w *worker) keep(d *dir, name string, want uint32) error {
	var st unix.Stat_t
	err := unix.Fstatat(d.dst, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT { // gone again; its owner wanted it so
		st.Mode = want
	} else if err != nil {
		return fmt.Errorf("stat what exists: %w", err)
	}
	w.Kept++
	if have := st.Mode & unix.S_IFMT; have != want {
		w.conflict(d, name, typeName(have)+" where a "+typeName(want)+" is expected")
	}
	return nil
}

// conflict adds a line to the Conflicts, if there is room.
func (w *worker) conflict(d *dir, name, what string) {
	if len(w.Conflicts) < maxConflicts {
		w.Conflicts = append(w.Conflicts, d.label(name)+": "+what+", left alone")
	}
}

func typeName(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "regular file"
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFLNK:
		return "symlink"
	case unix.S_IFIFO:
		return "FIFO"
	case unix.S_IFSOCK:
		return "socket"
	case unix.S_IFCHR:
		return "character device"
	case unix.S_IFBLK:
		return "block device"
	}
	return "thing of unknown type"
}
