package pool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// Rename gives a member another name, which no other one may have. It is on the disk
// when the function returns, so that a try counts whatever comes after it.
func Rename(pool *os.File, from, to string) error {
	fd := int(pool.Fd())
	if err := unix.Renameat2(fd, from, fd, to, unix.RENAME_NOREPLACE); err != nil {
		return fmt.Errorf("rename %q to %q: %w", from, to, err)
	}
	if err := unix.Syncfs(fd); err != nil {
		return fmt.Errorf("sync pool: %w", err)
	}
	return nil
}

// Bless takes the counter off a version: it has proven itself. What was given back to
// it, and the log of an earlier try, is forgotten. It returns the name that it has then.
func Bless(pool *os.File, entry string) (string, error) {
	// First, for the new name is the last thing that comes to the disk. A cut between
	// leaves a version on trial, which may be given a few tries more.
	if err := forget(pool, entry); err != nil {
		return "", err
	}
	return recount(pool, entry, func(subvol.Tries) subvol.Tries { return subvol.Tries{} })
}

// IsBlessed says whether Bless has nothing to do: a version has no counter, and nothing is
// left of its trial. It only reads.
func IsBlessed(pool *os.File, entry string) (bool, error) {
	m, err := subvol.Parse(entry)
	if err != nil || m.Tries.Counted {
		return false, err
	}
	left := false
	err = ofTrials(pool, func(dir *os.File) error {
		names, err := Entries(dir)
		left = left || slices.Contains(names, blessed(m))
		return err
	})
	return !left, err
}

// MarkBad spends all tries of a version, blessed or not. It returns its new name. The
// name that this boot has booted changes in any case: by that, who blesses or gives back
// can tell the last try, which has none left either, from one that was marked bad.
func MarkBad(pool *os.File, entry, booted string) (string, error) {
	return recount(pool, entry, func(t subvol.Tries) subvol.Tries {
		if entry == booted && t.Bad() {
			return t.Failed()
		}
		return t.Spent()
	})
}

// maxGivenBack is how many tries a version gets back until it is blessed: one that
// fails in a way that looks like an orderly shutdown must not boot forever.
const maxGivenBack = 3

// ErrGivenBack says that a version got back as many tries as it may.
var ErrGivenBack = fmt.Errorf("%d tries were given back already", maxGivenBack)

// GiveBack gives a version the last try back. It returns its new name.
func GiveBack(pool *os.File, entry string) (string, error) {
	m, err := subvol.Parse(entry)
	if err != nil || m.Tries.Back() == m.Tries {
		return entry, err
	}
	// Noted first: should power go now, one try too few is given back.
	if err := NoteGivenBack(pool, entry); err != nil {
		return "", err
	}
	return recount(pool, entry, subvol.Tries.Back)
}

// NoteGivenBack notes that a version is about to get a try back, by whoever counts. The
// error is [ErrGivenBack] if it must not.
func NoteGivenBack(pool *os.File, entry string) error {
	m, err := subvol.Parse(entry)
	if err == nil {
		err = note(pool, entry, blessed(m))
	}
	if err != nil {
		return fmt.Errorf("give %q a try back: %w", entry, err)
	}
	return nil
}

// recount changes the counter of a member. A name that stays is no error.
func recount(pool *os.File, entry string, change func(subvol.Tries) subvol.Tries) (string, error) {
	m, err := subvol.Parse(entry)
	if err != nil {
		return "", err
	}
	now, err := subvol.Recount(entry, change(m.Tries))
	if err != nil || now == entry {
		return now, err
	}
	return now, Rename(pool, entry, now)
}

// blessed is the name of a version that has proven itself, in its canonical form.
func blessed(m subvol.Member) string {
	m.Tries = subvol.Tries{}
	return m.String()
}

// forget removes what was noted and logged of a version on trial, and of versions that
// are gone.
func forget(pool *os.File, entry string) error {
	m, err := subvol.Parse(entry)
	if err != nil {
		return err
	}
	return ofTrials(pool, func(dir *os.File) error {
		return errors.Join(remove(dir, blessed(m)), dropGone(pool, dir))
	})
}

// ofTrials calls f with each directory that has files of versions on trial.
func ofTrials(pool *os.File, f func(dir *os.File) error) error {
	for _, name := range []string{givenBack, logs} {
		dir, err := rootfs.OpenDir(pool, name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
			continue // nothing can be noted there
		} else if err != nil {
			return err
		}
		defer dir.Close()
		if err := f(dir); err != nil {
			return err
		}
	}
	return nil
}
