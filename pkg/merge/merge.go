// Package merge decides how a new factory reaches an /etc that people have changed.
//
// Three trees are compared: the base (the factory that /etc was made from), mine
// (the /etc of today) and theirs (the factory of the new version). What I did not
// change follows the vendor, also where the vendor removed it. What I changed or
// deleted stays, and if the vendor has changed it too, the new one is put beside it
// as NAME.freshroot-new. Additions come. Without a base all that differs counts as
// changed by both.
//
// The package is pure: it asks the caller for names and for equality, and hands out
// actions. It knows directories and leaves; whether a leaf is a file, a link or a
// device, and what of it counts, is for the caller's Same to say. Nothing is assumed
// about the order of names. Renames are not tracked.
package merge

import "path"

// Suffix is added to the name of the vendor's file that is put beside a changed one.
// Names that end in it are not looked at in a factory.
const Suffix = ".freshroot-new"

// maxName is the longest name in bytes that Linux allows.
const maxName = 255

// Side is one of the three trees.
type Side uint8

// The sides.
const (
	Base   Side = iota // the factory that mine was made from
	Mine               // what is there now
	Theirs             // the new factory
	sides
)

// Type is what a side has at a path.
type Type uint8

// The types. A directory that must not be looked into is a leaf.
const (
	Absent Type = iota
	Leaf
	Directory
)

// Entry is a name in a directory of one side.
type Entry struct {
	Name string
	Type Type
}

// Trees are what is merged. Paths are relative to the top, which is ".".
type Trees struct {
	// NoBase says that the base is not known.
	NoBase bool
	// List returns the entries of a directory that a side has.
	List func(side Side, dir string) ([]Entry, error)
	// Same says whether two sides have the same at a path: type, owner, mode,
	// attributes and content. Of directories only they themselves are compared.
	Same func(a, b Side, path string) (bool, error)
	// Kept, if set, says that a path and all below is left alone.
	Kept func(path string) bool
}

// Op says what is done with a path.
type Op uint8

// The first three say how mine differs from the base, and nothing is done. Of the
// others, in this order, all are done to mine.
const (
	Added   Op = iota + 1 // only mine has it
	Changed               // mine differs from the base
	Deleted               // mine no longer has it

	Create     // take it from theirs, with all below
	Replace    // the same, in the place of what mine has
	Remove     // theirs has it no longer
	Attributes // take owner, mode and the like of a directory from theirs
	Beside     // put theirs beside it, with Suffix, in the place of an older one
	Drop       // remove what lies beside it, for it no longer applies
)

var opNames = [...]string{"", "added", "modified", "deleted",
	"create", "replace", "remove", "attributes", "beside", "drop"}

// String returns the name of the op in lower case.
func (o Op) String() string { return opNames[o] }

// Own says that the op only tells of a change that somebody made in mine.
func (o Op) Own() bool { return o <= Deleted }

// Action is what is done with one path, or how mine differs at it.
type Action struct {
	Op   Op
	Path string
}

// Target is the path that the action changes.
func (a Action) Target() string {
	if a.Op == Beside || a.Op == Drop {
		return a.Path + Suffix
	}
	return a.Path
}

// Walk compares the trees and calls do for each action, in an order in which they
// can be done: a directory is removed after what was in it. Mine is read while the
// walk goes on, so do must change a copy of it. The first error ends the walk.
func Walk(t Trees, do func(Action) error) error {
	w := walker{t, do}
	top := group{types: [sides]Type{Directory, Directory, Directory}}
	if t.NoBase {
		top.types[Base] = Absent
	}
	_, err := w.directory(".", top)
	return err
}

type walker struct {
	Trees
	do func(Action) error
}

// list goes through the names of a directory, and says whether mine has any in the
// end.
func (w *walker) list(dir string, types [sides]Type) (left bool, err error) {
	groups, err := w.groups(dir, types)
	if err != nil {
		return false, err
	}
	for _, g := range groups {
		stays, err := w.entry(path.Join(dir, g.name), g)
		if err != nil {
			return false, err
		}
		left = left || stays
	}
	return left, nil
}

// entry goes through one name, and says whether mine has something there in the end.
func (w *walker) entry(path string, g group) (bool, error) {
	if w.Kept != nil && w.Kept(path) {
		return g.types[Mine] != Absent || g.beside, nil
	}
	if g.types[Mine] == Directory &&
		(g.types[Base] == Directory || g.types[Theirs] == Directory) {
		return w.directory(path, g)
	}
	op, err := w.decide(path, g)
	if err != nil {
		return false, err
	}
	return w.finish(path, g, op)
}

// decide compares something that is not looked into.
func (w *walker) decide(path string, g group) (Op, error) {
	for _, rule := range []struct {
		a, b Side
		op   Op
	}{
		{Mine, Theirs, 0},
		{Mine, Base, follow(g.types)},
		{Theirs, Base, own(g.types)},
	} {
		same, err := w.same(rule.a, rule.b, path, g.types)
		if same || err != nil {
			return rule.op, err
		}
	}
	return conflict(path, g.types), nil
}

// follow is what makes mine theirs.
func follow(t [sides]Type) Op {
	switch {
	case t[Theirs] == Absent:
		return Remove
	case t[Mine] == Absent:
		return Create
	}
	return Replace
}

// own is how mine differs from the base.
func own(t [sides]Type) Op {
	switch {
	case t[Mine] == Absent:
		return Deleted
	case t[Base] == Absent:
		return Added
	}
	return Changed
}

// conflict is for what both have changed. What the vendor removed cannot be put
// beside, nor can what gets a name that is too long.
func conflict(name string, t [sides]Type) Op {
	if t[Theirs] == Absent || len(path.Base(name))+len(Suffix) > maxName {
		return own(t)
	}
	return Beside
}

// directory merges a directory of mine that one of the factories has as well.
func (w *walker) directory(path string, g group) (bool, error) {
	left, err := w.list(path, g.types)
	if err != nil {
		return false, err
	}
	var op Op
	if g.types[Theirs] == Directory {
		op, err = w.attributes(path, g.types)
	} else {
		op, err = w.abandoned(path, g.types, left)
	}
	if err != nil {
		return false, err
	}
	return w.finish(path, g, op)
}

// attributes merges what a directory is itself. If both have changed it, mine stays:
// there is nothing that could be put beside.
func (w *walker) attributes(path string, t [sides]Type) (Op, error) {
	same, err := w.Same(Mine, Theirs, path)
	if same || err != nil {
		return 0, err
	}
	if t[Base] != Directory {
		return Changed, nil
	}
	if same, err = w.Same(Mine, Base, path); same {
		return Attributes, err
	}
	return Changed, err
}

// abandoned is for a directory that the vendor has no longer. It goes if nothing of
// mine is left in it and I did not change it itself.
func (w *walker) abandoned(path string, t [sides]Type, left bool) (Op, error) {
	if left && t[Theirs] == Absent {
		return 0, nil
	}
	if !left {
		same, err := w.Same(Mine, Base, path)
		if same || err != nil {
			return follow(t), err
		}
	}
	return conflict(path, t), nil
}

// finish hands the action out, and says whether mine has something at the name or
// beside it in the end. What lies beside goes, unless it still waits for a person:
// mine differs from what the vendor has.
func (w *walker) finish(path string, g group, op Op) (bool, error) {
	stays := g.types[Mine] != Absent && op != Remove || op == Create || op == Beside
	if op != 0 {
		if err := w.do(Action{op, path}); err != nil {
			return false, err
		}
	}
	if !g.beside || op == Beside {
		return stays, nil
	}
	if g.types[Theirs] != Absent && op != 0 && op.Own() {
		return true, nil
	}
	return stays, w.do(Action{Drop, path})
}

// same compares two sides with all below, which Same does not.
func (w *walker) same(a, b Side, dir string, t [sides]Type) (bool, error) {
	if t[a] != t[b] || t[a] == Absent {
		return t[a] == t[b], nil
	}
	same, err := w.Same(a, b, dir)
	if !same || err != nil || t[a] == Leaf {
		return same, err
	}
	var only [sides]Type
	only[a], only[b] = Directory, Directory
	groups, err := w.groups(dir, only)
	for _, g := range groups {
		same, err := w.same(a, b, path.Join(dir, g.name), g.types)
		if !same || err != nil {
			return false, err
		}
	}
	return err == nil, err
}
