package instance

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/pool"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// stageBase makes a copy of the factory's /etc in staging. It has no stamp: its place
// says of which version it is.
func (j *job) stageBase() (*os.File, error) { return j.newFrom(j.staging, "base", "etc") }

// placeBase puts the staged base into the instance. One that is there is replaced: the
// version may have been built anew.
func (j *job) placeBase(root *os.File) error {
	dir, err := openStore(root, j.usr)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := removeAll(dir, "base"); err != nil {
		return err
	}
	if err := rename(j.staging, dir, "base"); err != nil {
		return err
	}
	base, err := rootfs.OpenDir(dir, "base")
	if err != nil {
		return err
	}
	defer base.Close()
	// Now, for one that is read-only cannot be moved.
	return btrfs.SetReadOnly(base, true)
}

// openStore opens what an instance keeps of a version, and makes the directory if it
// keeps nothing yet. Nobody but root gets in: a saved /etc has the secrets of the other.
func openStore(root *os.File, usr string) (*os.File, error) {
	own, err := makeDir(root, control)
	if err != nil {
		return nil, err
	}
	defer own.Close()
	return makeDir(own, usr)
}

// openKept opens what an instance keeps of a version, "base" or "etc"; nil if it does
// not. A version is one path component, for usrName and the pool let no slash pass.
func openKept(root *os.File, usr, what string) (*os.File, error) {
	f, err := rootfs.OpenDir(root, control+"/"+usr+"/"+what)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return f, err
}

// openSaved opens the /etc that was left behind with a version; nil if there is none.
// One of another version is not it: power went before it was exchanged.
func openSaved(root *os.File, usr string) (*os.File, error) {
	etc, err := openKept(root, usr, "etc")
	if etc == nil || err != nil {
		return nil, err
	}
	s, err := readStamp(etc)
	if err == nil && s.version == usr {
		return etc, nil
	}
	etc.Close()
	return nil, err
}

// exchange puts the staged /etc in the place of the one of today, which is then what
// the instance keeps of its version. Both lie in the instance when it happens: only
// there a directory that is no subvolume can be exchanged, too.
func (j *job) exchange(root *os.File, from string) error {
	dir, err := openStore(root, from)
	if err != nil {
		return err
	}
	defer dir.Close()
	// An older one of this version, from before it was last gone back to, gives way.
	if err := removeAll(dir, "etc"); err != nil {
		return err
	}
	if err := rename(j.staging, dir, "etc"); err != nil {
		return err
	}
	return renameat(dir, "etc", root, "etc", unix.RENAME_EXCHANGE)
}

// tidy drops what is kept of versions that the pool no longer has, except of the
// current and the previous one, and what was never exchanged. It runs at every boot, and
// costs the listing of one small directory if there is nothing to do.
func (j *job) tidy(root *os.File) error {
	own, err := rootfs.OpenDir(root, control)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer own.Close()
	names, err := listDir(own)
	if err != nil {
		return err
	}
	wanted, err := j.wanted(root, names)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !wanted[name] {
			err = removeAll(own, name)
		} else {
			err = dropUnfinished(root, own, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// wanted returns the versions of which something is to be kept. The pool, which may
// have thousands of names, is only asked if there are others.
func (j *job) wanted(root *os.File, names []string) (map[string]bool, error) {
	s, err := stampOf(root, "etc")
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{s.version: true, s.previous: true, j.usr: true}
	for _, name := range names {
		if !wanted[name] {
			return wanted, j.addVersions(wanted)
		}
	}
	return wanted, nil
}

// addVersions adds those that the pool has, whatever their counters say: one that is out
// of tries can be repaired and booted.
func (j *job) addVersions(wanted map[string]bool) error {
	if _, err := j.Pool.Seek(0, 0); err != nil {
		return err
	}
	entries, err := pool.Entries(j.Pool)
	for _, entry := range entries {
		if m, err := subvol.Parse(entry); err == nil && m.Kind == subvol.Usr {
			m.Tries = subvol.Tries{}
			wanted[m.String()] = true
		}
	}
	return err
}

// dropUnfinished drops an /etc that was put where the one of a version is kept, but
// not exchanged with it.
func dropUnfinished(root, own *os.File, usr string) error {
	saved, err := openSaved(root, usr)
	if err != nil {
		return err
	}
	if saved != nil {
		return saved.Close()
	}
	dir, err := rootfs.OpenDir(own, usr)
	if err != nil {
		return err
	}
	defer dir.Close()
	return removeAll(dir, "etc")
}
