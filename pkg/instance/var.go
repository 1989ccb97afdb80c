package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/factory"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// updated is the stamp by which systemd-update-done remembers that it ran.
const updated = ".updated"

// updateVar adds to /var what the factory of another version brings, and makes systemd
// see that the version of the parts that were reached changed. It is not exchanged as /etc is: people and programs
// have subvolumes in it, databases would be copied at every write for a while, and
// there is nothing to be merged.
func (j *job) updateVar(root *os.File, reached []string) error {
	if err := j.bringVar(root, reached); err != nil {
		return j.updateError("var", err)
	}
	return nil
}

// bringVar looks whether /var is of another version.
func (j *job) bringVar(root *os.File, reached []string) error {
	dir, err := rootfs.OpenDir(root, "var")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer dir.Close()
	if err := removeAll(dir, scratchName); err != nil { // of a boot that was cut short
		return err
	}
	s, err := readStamp(dir)
	if err != nil || s.version == j.usr {
		return err
	}
	if j.has("var") {
		if err := j.add(dir); err != nil {
			return errors.Join(err, removeAll(dir, scratchName))
		}
	}
	if err := dropUpdated(root, reached); err != nil {
		return err
	}
	// Last, so that all is done again if it was cut short; twice does no harm.
	return writeStamp(dir, stamp{j.usr, s.version})
}

// dropUpdated makes ConditionNeedsUpdate= true, which systemd itself does not see after
// a rollback: it only asks whether /usr is newer.
func dropUpdated(root *os.File, of []string) error {
	for _, part := range of {
		dir, err := rootfs.OpenDir(root, part)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		err = removeAll(dir, updated)
		dir.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// add copies the factory's /var beside and moves in what is missing, when it is on the
// disk: each name comes whole or not at all. To copy all of it is simpler than to find
// out first what is missing, and takes one sync instead of many.
func (j *job) add(dir *os.File) error {
	from, err := rootfs.OpenDir(j.factory, "var")
	if err != nil {
		return err
	}
	defer from.Close()
	scratch, err := makeDir(dir, scratchName)
	if err != nil {
		return err
	}
	defer scratch.Close()
	if err := j.fill(scratch, from, isOwn); err != nil {
		return err
	}
	if err := sync(dir); err != nil {
		return err
	}
	if err := moveMissing(scratch, dir); err != nil {
		return err
	}
	return removeAll(dir, scratchName)
}

// moveMissing moves what dst lacks, and leaves the rest where it is. What dst has, of
// whatever type, is never replaced.
func moveMissing(src, dst *os.File) error {
	names, err := listDir(src)
	if err != nil {
		return err
	}
	for _, name := range names {
		err := unix.Renameat2(int(src.Fd()), name, int(dst.Fd()), name, unix.RENAME_NOREPLACE)
		switch {
		case errors.Is(err, unix.EEXIST):
			err = moveBelow(src, dst, name)
		case errors.Is(err, unix.EXDEV):
			// In a subvolume of its own: it can only be copied there. If power goes,
			// a file may be empty, and the next boot does not know.
			_, err = factory.Copy(dst, src, factory.Options{})
			return err
		case err != nil:
			err = fmt.Errorf("add %q to %s: %w", name, dst.Name(), err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// moveBelow goes on in a directory that both have. A link to a directory is not one: it
// may lead anywhere.
func moveBelow(src, dst *os.File, name string) error {
	from, err := rootfs.OpenDir(src, name)
	if notDirectory(err) {
		return nil
	} else if err != nil {
		return err
	}
	defer from.Close()
	to, err := rootfs.OpenDir(dst, name)
	if notDirectory(err) {
		return nil
	} else if err != nil {
		return err
	}
	defer to.Close()
	return moveMissing(from, to)
}

func notDirectory(err error) bool {
	return errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}
