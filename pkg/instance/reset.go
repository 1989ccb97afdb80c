package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/keep"
	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// Reset says what a reset has done.
type Reset struct {
	Trashed string   // the entry of the trash with the old state; "" if there was none
	Spared  []string // absolute paths that the new state has of the old one
	Full    bool     // the disk was, and so the old state was deleted: there is no undoing
}

// Reset throws away the state of an instance and begins anew with the factory. What the
// rules give the scope Reset comes along. Without an error the new state is on the disk,
// and was looked at; with one the old state is still the instance's, unless the error
// is a *CheckError. An instance that is not there is none to be reset.
//
// The caller forgets what asked for the reset, and calls Ensure then, before the OS
// gets the instance: if power goes before, the reset is done once more, and what nobody
// has used does not come into the trash.
func (t Target) Reset(scope reset.Scope, rules keep.Rules, now time.Time) (Reset, error) {
	r, err := t.reset(scope, rules, now)
	// The trash of earlier resets may be what fills the disk.
	if errors.Is(err, unix.ENOSPC) && emptyTrash(t.Pool) {
		r, err = t.reset(scope, rules, now)
	}
	if errors.Is(err, unix.ENOSPC) && spendReserve(t.Pool) {
		r, err = t.reset(scope, rules, now)
		// Then it is the old state, and the OS would find no room either.
		r.Full = err == nil && emptyTrash(t.Pool)
	}
	if err != nil {
		err = fmt.Errorf("reset %s of %q: %w", scope, t.Name, err)
	}
	return r, err
}

// emptyTrash deletes all old states, and says whether there was anything. The kernel may
// need longer than this boot to free the space.
func emptyTrash(pool *os.File) bool {
	list, err := Trash(pool)
	return err == nil && len(list) > 0 && Purge(pool, list) == nil && sync(pool) == nil
}

// CheckError says that a reset was done, and did not turn out as it should.
type CheckError struct{ Err error }

// Error returns "check: cause".
func (e *CheckError) Error() string { return "check: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *CheckError) Unwrap() error { return e.Err }

// reset prepares the new state, and clears what it has staged if that fails.
func (t Target) reset(scope reset.Scope, rules keep.Rules, now time.Time) (Reset, error) {
	j, err := t.begin()
	if err != nil {
		return Reset{}, err
	}
	defer j.close()
	if _, err := unixLstat(t.Pool, t.Name); errors.Is(err, fs.ErrNotExist) {
		return Reset{}, nil
	}
	trash, err := openTrash(t.Pool)
	if err != nil {
		return Reset{}, err
	}
	defer trash.Close()
	_ = clearTrash(trash) // the exchange does not need it
	r := &renewal{job: j, trash: trash, scope: scope, rules: rules, now: now}
	result, err := r.do()
	if err != nil {
		// The first error counts.
		_ = clearDir(j.staging)
		_ = clearTrash(trash)
	}
	return result, err
}

// unixLstat is lstat(2) of a name in a directory.
func unixLstat(dir *os.File, name string) (st unix.Stat_t, err error) {
	err = unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, err
}

// renewal is a reset on its way.
type renewal struct {
	*job
	trash *os.File
	scope reset.Scope
	rules keep.Rules
	now   time.Time
	old   *os.File // the instance; nil if something else has its name
	place *os.File // the directory that holds what is exchanged
	name  string   // its name there
}

// do stages, commits and checks.
func (r *renewal) do() (result Reset, err error) {
	if err := r.open(); err != nil {
		return result, err
	}
	defer r.close()
	if r.isDone() {
		return result, nil
	}
	if result.Spared, err = r.stage(); err != nil {
		return result, err
	}
	if result.Trashed, err = r.commit(); err != nil {
		return result, err
	}
	err = r.check(result.Spared)
	// The reset is done. What cannot be deleted now waits for the next one.
	_ = r.trim()
	if err != nil {
		return result, &CheckError{err}
	}
	return result, nil
}

// isDone says that nobody has used what is there since an earlier reset: power went
// before that could be forgotten. Once more, it would spare by the keep list of the
// fresh /etc, and not by the one that was asked.
func (r *renewal) isDone() bool {
	if markOf(r.place, r.name) != markFresh {
		return false
	}
	if r.scope == reset.Var {
		return true
	}
	s, err := stampOf(r.old, "etc")
	return err == nil && s.version == r.usr
}

// open finds what is to be exchanged. A whole instance may be anything: a file or a link
// in its place goes to the trash like a directory. /var has to be a subvolume, for
// nothing else can leave the instance by a rename.
func (r *renewal) open() (err error) {
	r.old, err = rootfs.OpenDir(r.Pool, r.Name)
	if r.scope == reset.All {
		r.place, r.name = r.Pool, r.Name
		if notDirectory(err) {
			err = nil
		}
		return err
	}
	if err != nil {
		return err
	}
	r.place, r.name = r.old, "var"
	return mayLeave(r.old)
}

// onlyAll is what can be done instead.
const onlyAll = "only all of the instance can be reset"

// MayReset says why a reset would not be done because of what is in the place of an
// instance, or of its /var. It changes nothing.
func MayReset(pool *os.File, name string, scope reset.Scope) error {
	if scope != reset.Var {
		return nil
	}
	root, err := rootfs.OpenDir(pool, name)
	if err == nil {
		defer root.Close()
		err = mayLeave(root)
	}
	if notDirectory(err) {
		err = fmt.Errorf("%w: %s", err, onlyAll)
	}
	if err != nil {
		err = fmt.Errorf("reset %s of %q: %w", scope, name, err)
	}
	return err
}

// mayLeave says why the /var of an instance cannot be exchanged.
func mayLeave(root *os.File) error {
	dir, err := rootfs.OpenDir(root, "var")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer dir.Close()
	is, err := btrfs.IsSubvolume(dir)
	if err == nil && !is {
		err = fmt.Errorf("%q is no subvolume: %s", dir.Name(), onlyAll)
	}
	return err
}

// close closes what open opened.
func (r *renewal) close() {
	if r.old != nil {
		r.old.Close()
	}
}

// stage prepares the new state, with a mark that nobody has used it.
func (r *renewal) stage() (spared []string, err error) {
	fresh, err := r.stageFresh()
	if err != nil {
		return nil, err
	}
	defer fresh.Close()
	if r.old != nil {
		if spared, err = r.spare(fresh); err != nil {
			return nil, err
		}
	}
	if err := markTop(fresh, markFresh); err != nil {
		return nil, err
	}
	return spared, sync(r.staging)
}

// stageFresh makes it as the factory has it.
func (r *renewal) stageFresh() (*os.File, error) {
	if r.scope == reset.All {
		return r.stageInstance()
	}
	if err := r.createPart(r.staging, "var"); err != nil {
		return nil, err
	}
	return rootfs.OpenDir(r.staging, "var")
}

// commit exchanges the states by one rename, when the new one is on the disk. The new one
// waits in the trash under the name that the old one is going to have: what is found
// there is garbage as long as it has the mark.
func (r *renewal) commit() (entry string, err error) {
	if _, err := unixLstat(r.place, r.name); errors.Is(err, fs.ErrNotExist) {
		return "", errors.Join(rename(r.staging, r.place, r.name), sync(r.Pool))
	}
	list, err := listTrash(r.trash)
	if err != nil {
		return "", err
	}
	entry = reset.Next(list, r.Name, r.scope, r.now).String()
	if err := renameat(r.staging, r.name, r.trash, entry, unix.RENAME_NOREPLACE); err != nil {
		return "", err
	}
	if err := renameat(r.trash, entry, r.place, r.name, unix.RENAME_EXCHANGE); err != nil {
		return "", err
	}
	return entry, sync(r.Pool)
}

// check looks at the instance as the OS is going to find it.
func (r *renewal) check(spared []string) error {
	root, err := rootfs.OpenDir(r.Pool, r.Name)
	if err != nil {
		return err
	}
	defer root.Close()
	if markOf(r.place, r.name) != markFresh {
		return fmt.Errorf("%q is not the new one", r.name)
	}
	for _, part := range parts {
		if r.scope == reset.Var && part != "var" {
			continue
		}
		if err := r.checkPart(root, part); err != nil {
			return err
		}
	}
	for _, name := range spared {
		if _, err := unixLstat(root, name[1:]); err != nil {
			return fmt.Errorf("%q was to be kept: %w", name, err)
		}
	}
	return nil
}

// checkPart looks at what the factory was to fill.
func (r *renewal) checkPart(root *os.File, part string) error {
	s, err := stampOf(root, part)
	if err != nil || !r.has(part) {
		return err
	}
	empty, err := isEmpty(root, part)
	if err == nil && (empty || s.version != r.usr) {
		err = fmt.Errorf("/%s is of %s, or empty", part, s.version)
	}
	return err
}

// trim bounds the trash of the instance, and drops what was never used.
func (r *renewal) trim() error {
	if err := clearTrash(r.trash); err != nil {
		return err
	}
	list, err := listTrash(r.trash)
	if err != nil {
		return err
	}
	for _, t := range reset.Surplus(list, keptTrash) {
		if err := purge(r.trash, t.String()); err != nil {
			return err
		}
	}
	return nil
}
