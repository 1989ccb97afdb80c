package instance

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/freshroot/freshroot/pkg/keep"
	"github.com/freshroot/freshroot/pkg/keep/bind"
	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// spare takes over what the keep list lets survive a reset. The rules are applied in
// their order, one after the other, so that the last one wins for each path; and only
// directories are looked into that can lead to a match, so that it does not matter how
// much is thrown away.
func (r *renewal) spare(fresh *os.File) (spared []string, err error) {
	trees, err := r.openSparers(fresh)
	defer func() {
		for _, t := range trees {
			err = errors.Join(err, t.close())
		}
	}()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, rule := range r.rules {
		if rule.Scopes&keep.Reset == 0 {
			continue
		}
		found, err := bind.Find(r.old, rule)
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			if err := applyRule(trees, rule, name[1:]); err != nil {
				return nil, err
			}
		}
		names = append(names, found...)
	}
	return r.spared(trees, names), nil
}

// spared are the names that come along in the end.
func (r *renewal) spared(trees []*sparer, names []string) (spared []string) {
	for _, name := range names {
		survives, _ := r.rules.Survives(name, keep.Reset)
		if tree, _ := treeOf(trees, name[1:]); survives && tree != nil {
			spared = append(spared, name)
		}
	}
	slices.Sort(spared)
	return slices.Compact(spared)
}

// sparer moves what survives into one subvolume of the new state.
type sparer struct {
	part     string // "etc", "var", or "" for the rest
	old, new *mover // from the old state, and from the factory
	opened   []*os.File
}

// openSparers returns one for each part that is thrown away. With an error come those
// that were made until then, to be closed.
func (r *renewal) openSparers(fresh *os.File) (trees []*sparer, err error) {
	wanted := []string{"etc", "var", ""}
	if r.scope == reset.Var {
		wanted = []string{"var"}
	}
	for _, part := range wanted {
		at := part
		if r.scope == reset.Var {
			at = "" // what is staged is /var itself
		}
		t, err := r.openSparer(fresh, part, at)
		if t != nil {
			trees = append(trees, t)
		}
		if err != nil {
			return trees, err
		}
	}
	return trees, nil
}

// openSparer opens the same part of the old state, of the new one and of the factory. A
// part that the old state lacks has nothing that could survive.
func (r *renewal) openSparer(fresh *os.File, part, at string) (*sparer, error) {
	t := &sparer{part: part}
	from, err := t.open(r.old, part)
	if errors.Is(err, fs.ErrNotExist) || notDirectory(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	to, err := t.open(fresh, at)
	if err != nil {
		return t, err
	}
	if t.old, err = newMover(from, to); err != nil {
		t.old = nil
		return t, err
	}
	if r.factory == nil {
		return t, nil
	}
	vendor, err := t.open(r.factory, part)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	t.new = &mover{vendor, to, t.old.scratch}
	return t, err
}

// open opens a directory until close.
func (t *sparer) open(dir *os.File, name string) (*os.File, error) {
	f, err := rootfs.OpenDir(dir, "./"+name)
	if err == nil {
		t.opened = append(t.opened, f)
	}
	return f, err
}

// close removes the scratch directory and closes the rest.
func (t *sparer) close() (err error) {
	if t.old != nil {
		err = t.old.close()
	}
	for _, f := range t.opened {
		f.Close()
	}
	return err
}

// treeOf returns the tree that a path of the root is in, and the path there. There is
// none for what stays as it is, and for files of our own.
func treeOf(trees []*sparer, name string) (*sparer, string) {
	top, rest, _ := strings.Cut(name, "/")
	for _, t := range trees {
		path := name
		if t.part != "" {
			path = rest
		}
		if t.part != "" && t.part != top || t.part == "" && slices.Contains(parts, top) {
			continue
		}
		if first, _, _ := strings.Cut(path, "/"); first != "" && !isOwn(first) {
			return t, path
		}
	}
	return nil, ""
}

// applyRule does to one path what a rule says: it comes from the old state, or is again
// as the factory has it.
func applyRule(trees []*sparer, rule keep.Rule, name string) error {
	t, path := treeOf(trees, name)
	if t == nil {
		return nil
	}
	if rule.Gives(keep.Reset) {
		return t.take(path)
	}
	err := t.old.remove(path)
	if err == nil && t.new != nil {
		err = t.new.take(path, path)
	}
	if errors.Is(err, fs.ErrNotExist) || notDirectory(err) {
		return nil // the new state, or the factory, has no such path
	}
	return err
}

// take takes a path of the old state, with the directories that it is in.
func (t *sparer) take(name string) error {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		if err := t.old.makeDirs(name[:i]); err != nil {
			return err
		}
	}
	return t.old.take(name, name)
}
