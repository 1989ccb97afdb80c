// Package instance makes the writable root around a golden master, and brings its
// /etc and /var along when another version is booted.
//
// An instance is a subvolume of the pool with /etc and /var as nested subvolumes,
// so that each can be thrown away or exchanged by a rename, whatever it holds. It
// has a directory of its own:
//
//	etc/.freshroot           which version populated this /etc, and which one was before
//	var/.freshroot           the same of /var
//	.freshroot/USR/base      the factory's /etc of version USR, read-only
//	.freshroot/USR/etc       the /etc that was left behind when USR was
//
// A new version gets an /etc that is merged three ways (package merge); an older one
// gets back the /etc that it had. Either is prepared beside, synced, and exchanged
// with the one of today by one rename, stamp and all: power may go at any instant,
// and the next boot finds the old or the new one, whole, and clears what is left.
// To /var a version only adds.
//
// A reset prepares a fresh state in the same way, exchanges it with the one of today by
// one rename, and leaves that in the pool's trash: it takes the same time whatever is
// thrown away, and is undone by the same exchange.
//
// The package needs root, a umask of 0, /proc and a pool mounted writable. It
// follows no symbolic link of the pool.
package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/freshroot/freshroot/pkg/merge"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// parts are the nested subvolumes of an instance.
var parts = []string{"etc", "var"}

// Target is an instance and the version that it is to be booted with.
type Target struct {
	Pool   *os.File      // the top level
	Name   string        // of the instance: root:default:org.example.os:x86-64
	Usr    subvol.Member // the version; its boot counter does not matter
	Golden *os.File      // its /usr, whose factory fills the instance
	// Kept, if set, says that an absolute path survives an update as it is, with all
	// below: it is not merged, and a rollback does not bring back an older one.
	Kept func(path string) bool
}

// Change is what happened to an /etc that was there before.
type Change string

// The changes.
const (
	Unchanged Change = ""
	Merged    Change = "merged"   // with the factory of another version
	Restored  Change = "restored" // the one that an older version had
)

// Result tells what was made and changed. At most boots it is the zero value.
type Result struct {
	Made      []string // the instance, or parts of it
	Change    Change
	From      string   // the version that /etc was of, if it changed; or "unknown"
	Conflicts []string // the vendor's files beside changed ones, below /etc
}

// UpdateError says why an instance could not be brought to another version. It is as
// whole as it was, and can be booted as it is.
type UpdateError struct {
	Op  string // what was being done, to what
	Err error
}

// Error returns "op object: cause".
func (e *UpdateError) Error() string { return e.Op + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *UpdateError) Unwrap() error { return e.Err }

// IsStale says whether the /etc or the /var of an instance that is there is not of the
// version it is to be booted with.
func (t Target) IsStale() (bool, error) {
	t.Usr.Tries = subvol.Tries{}
	root, err := rootfs.OpenDir(t.Pool, t.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	defer root.Close()
	for _, part := range parts {
		s, err := stampOf(root, part)
		if err != nil || s.version != t.Usr.String() {
			return true, err
		}
	}
	return false, nil
}

// updateError wraps what went wrong with a part. Nothing of it is urgent: the next boot
// tries again.
func (j *job) updateError(part string, err error) error {
	return &UpdateError{fmt.Sprintf("update /%s to %q", part, j.usr), err}
}

// job is what is done for a target.
type job struct {
	Target
	usr     string   // the name of the version, without counter
	factory *os.File // nil if the golden master has none
	staging *os.File // nil if nothing is to be changed
	garbage error    // why staging has something in it that was left there
}

// Ensure makes the instance where there is none, and the parts of it that are missing
// or empty, and updates those of another version. Errors of an update are each an
// *UpdateError, joined.
func (t Target) Ensure() (Result, error) {
	j, err := t.begin()
	if err != nil && t.isWhole() {
		// A file in the way of our own directory is no reason not to boot.
		return Result{}, &UpdateError{"prepare an update", err}
	} else if err != nil {
		return Result{}, err
	}
	defer j.close()
	result, err := j.ensure()
	if err != nil {
		// What was staged may be what fills the disk. The first error counts.
		_ = clearDir(j.staging)
	} else if j.garbage != nil {
		err = &UpdateError{"clear what an earlier boot has left", j.garbage}
	}
	if err == nil {
		_ = keepReserve(t.Pool) // a disk that is too small for one may hold an instance
	}
	return result, err
}

// isWhole says whether the instance has all of its parts, so that it can be booted as it
// is.
func (t Target) isWhole() bool {
	root, err := rootfs.OpenDir(t.Pool, t.Name)
	if err != nil {
		return false
	}
	defer root.Close()
	for _, part := range parts {
		if empty, err := isEmpty(root, part); empty || err != nil {
			return false
		}
	}
	return true
}

// begin opens what is needed for a change, with a staging that is empty as far as
// possible: what cannot be deleted must keep no machine from booting.
func (t Target) begin() (*job, error) {
	j, err := t.open()
	if err != nil {
		return nil, err
	}
	if j.staging, err = openStaging(t.Pool); err != nil {
		j.close()
		return nil, err
	}
	j.garbage = clearDir(j.staging)
	return j, nil
}

// ensure does the work, with a staging that is empty.
func (j *job) ensure() (Result, error) {
	root, err := rootfs.OpenDir(j.Pool, j.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return Result{Made: []string{j.Name}}, j.create()
	} else if err != nil {
		return Result{}, err
	}
	defer root.Close()
	if err := unmark(root); err != nil {
		return Result{}, err
	}
	j.clearHalfDeleted()
	made, err := j.repair(root)
	result := Result{Made: made}
	if err != nil {
		return result, err
	}
	return result, j.update(root, &result)
}

// update brings the parts along one after the other, each with a stamp of its own: a cut
// between them is made good by the next boot, and one that fails keeps none of the others.
func (j *job) update(root *os.File, result *Result) error {
	reached := parts
	etc := j.updateEtc(root, result)
	if etc != nil {
		reached = []string{"var"}
		_ = clearDir(j.staging) // it may be what fills the disk
	}
	variable := j.updateVar(root, reached)
	tidy := j.tidy(root)
	if tidy != nil {
		tidy = &UpdateError{"drop what was kept of old versions", tidy}
	}
	return errors.Join(etc, variable, tidy)
}

// Preview says what Ensure would do, and calls do for each action on /etc and each
// difference in it that stays. It changes nothing; the pool may be read-only. What is
// made anew or brought back has no actions.
func (t Target) Preview(do func(merge.Action) error) (Result, error) {
	j, err := t.open()
	if err != nil {
		return Result{}, err
	}
	defer j.close()
	root, err := rootfs.OpenDir(t.Pool, t.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return Result{Made: []string{t.Name}}, nil
	} else if err != nil {
		return Result{}, err
	}
	defer root.Close()
	// An /etc that is made anew needs no update.
	made, err := j.missing(root)
	result := Result{Made: made}
	if err != nil || len(made) > 0 && made[0] == "etc" {
		return result, err
	}
	return result, j.previewEtc(root, &result, do)
}

// open prepares what does not change anything. The counter is taken off the version,
// for it changes with each try, and stamps and directories must not.
func (t Target) open() (*job, error) {
	t.Usr.Tries = subvol.Tries{}
	source, err := rootfs.OpenDir(t.Golden, "share/factory")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return &job{Target: t, usr: t.Usr.String(), factory: source}, nil
}

// close closes what open and begin opened.
func (j *job) close() {
	for _, f := range []*os.File{j.factory, j.staging} {
		if f != nil {
			f.Close()
		}
	}
}

// kept is Kept for a path below /etc.
func (j *job) kept(path string) bool { return j.Kept != nil && j.Kept("/etc/"+path) }
