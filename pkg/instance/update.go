package instance

import (
	"errors"
	"io/fs"
	"os"

	"github.com/freshroot/freshroot/pkg/merge"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// update is the way of an /etc to another version.
type update struct {
	job    *job
	root   *os.File // the instance
	etc    *os.File // the one of today
	from   stamp    // of the one of today
	change Change   // Merged or Restored
	saved  *os.File // what is restored
	base   *os.File // the factory of from; nil if it is not known
	theirs *os.File // the factory of the version that is booted
}

// updateEtc brings /etc to the version that is booted, if it is of another one. Until the
// one rename in commit, whatever fails leaves it as it was.
func (j *job) updateEtc(root *os.File, result *Result) error {
	u, err := j.newUpdate(root)
	if err != nil {
		return j.updateError("etc", err)
	} else if u == nil {
		return nil
	}
	defer u.close()
	if err = u.stage(result); err == nil {
		err = u.commit()
	}
	if err != nil {
		return j.updateError("etc", err)
	}
	result.Change, result.From = u.change, u.from.version
	return nil
}

// previewEtc says what updateEtc would do, by the same decisions. What is brought back is
// not compared: it comes as it is.
func (j *job) previewEtc(root *os.File, r *Result, do func(merge.Action) error) error {
	u, err := j.newUpdate(root)
	if u == nil || err != nil {
		return err
	}
	defer u.close()
	r.Change, r.From = u.change, u.from.version
	if u.change == Restored {
		return nil
	}
	return merge.Walk(u.trees(), func(a merge.Action) error {
		r.note(a)
		return do(a)
	})
}

// note remembers what lies beside.
func (r *Result) note(a merge.Action) {
	if a.Op == merge.Beside {
		r.Conflicts = append(r.Conflicts, a.Target())
	}
}

// newUpdate decides what happens to /etc; nil is nothing, which is nearly every boot and
// costs the reading of a stamp. Without a factory /etc stays with the version that
// populated it, so that a later one with a factory finds the right base.
func (j *job) newUpdate(root *os.File) (*update, error) {
	if !j.has("etc") {
		return nil, nil
	}
	etc, err := rootfs.OpenDir(root, "etc")
	if err != nil {
		return nil, err
	}
	u := &update{job: j, root: root, etc: etc, change: Merged}
	if u.from, err = readStamp(etc); err == nil && u.from.version != j.usr {
		err = u.open()
	} else {
		u.change = Unchanged
	}
	if u.change == Unchanged || err != nil {
		u.close()
		return nil, err
	}
	return u, nil
}

// open opens what the update is made of: an /etc to go back to, or two factories. Only an
// older version gets its own back. A newer one that was gone back from is merged with
// what /etc is now, or what was done since would not be there.
func (u *update) open() (err error) {
	if isOlder(u.job.Usr, u.from.version) {
		u.saved, err = openSaved(u.root, u.job.usr)
		if u.saved != nil {
			u.change = Restored
		}
		if u.saved != nil || err != nil {
			return err
		}
	}
	if u.base, err = openKept(u.root, u.from.version, "base"); err != nil {
		return err
	}
	u.theirs, err = rootfs.OpenDir(u.job.factory, "etc")
	return err
}

// close closes what newUpdate opened.
func (u *update) close() {
	for _, f := range []*os.File{u.etc, u.saved, u.base, u.theirs} {
		if f != nil {
			f.Close()
		}
	}
}

// trees are what is merged: the new factory is read from the golden master itself, the
// old one from what the instance keeps of it, since its version may be gone.
func (u *update) trees() merge.Trees {
	t := newTrees(u.base, u.etc, u.theirs)
	t.Kept = u.job.kept
	return t
}

// stage prepares the new /etc, with its stamp, and the base of its version. The base is a
// copy, and no reference to the golden master: that may be deleted before this /etc is
// updated the next time.
func (u *update) stage(result *Result) error {
	j := u.job
	base, err := j.stageBase()
	if err != nil {
		return err
	}
	defer base.Close()
	var staged *os.File
	if u.change == Restored {
		staged, err = u.stageSaved()
	} else {
		staged, err = u.stageMerged(result)
	}
	if err != nil {
		return err
	}
	defer staged.Close()
	// If this update comes after the one of /var, nobody else does it.
	if err := removeAll(staged, updated); err != nil {
		return err
	}
	return writeStamp(staged, stamp{j.usr, u.from.version})
}

// stageMerged merges into a copy of the /etc of today, while the original is compared.
func (u *update) stageMerged(result *Result) (*os.File, error) {
	return u.stageChanged(u.etc, u.theirs, func(m *mover) error {
		return merge.Walk(u.trees(), func(a merge.Action) error {
			result.note(a)
			return m.do(a)
		})
	})
}

// stageSaved copies the saved /etc, with what is kept of the one of today. The copy, and
// not the saved one itself, is changed and exchanged: a cut leaves that as it was.
func (u *update) stageSaved() (*os.File, error) {
	return u.stageChanged(u.saved, u.etc, func(m *mover) error {
		if u.job.Kept == nil {
			return nil
		}
		return m.carry(".", u.job.kept)
	})
}

// stageChanged copies an /etc into staging and changes the copy, with things that are
// moved in from another tree.
func (u *update) stageChanged(
	of, with *os.File, change func(*mover) error,
) (*os.File, error) {
	staged, err := duplicate(u.job.staging, "etc", of)
	if err != nil {
		return nil, err
	}
	m, err := newMover(with, staged)
	if err == nil {
		err = errors.Join(change(m), m.close())
	}
	if err != nil {
		staged.Close()
		return nil, err
	}
	return staged, nil
}

// commit exchanges the staged /etc with the one of today, when it is on the disk. A cut
// before leaves a base that is not in use yet, which the next boot makes anew. A cut
// after leaves what was brought back as something that could be brought back; it is
// replaced when this version is left.
func (u *update) commit() error {
	if err := sync(u.job.staging); err != nil {
		return err
	}
	if err := u.job.placeBase(u.root); err != nil {
		return err
	}
	if err := u.job.exchange(u.root, u.from.version); err != nil {
		return err
	}
	if u.change != Restored {
		return nil
	}
	dir, err := rootfs.OpenDir(u.root, control+"/"+u.job.usr)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer dir.Close()
	return removeAll(dir, "etc")
}

// Diff compares an /etc with the factory it came from: do is called for each path
// that differs. It is a merge with a vendor who did not change anything, of which only
// the changes made here are left.
func Diff(factory, etc *os.File, do func(merge.Action) error) error {
	return merge.Walk(newTrees(factory, etc, factory), do)
}
