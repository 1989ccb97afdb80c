package merge

import (
	"cmp"
	"slices"
	"strings"
)

// group is what the sides have at one name of a directory.
type group struct {
	name   string
	types  [sides]Type
	beside bool // mine has the same name with Suffix
}

// groups joins the entries of a directory by their names, in their order.
func (w *walker) groups(dir string, types [sides]Type) ([]group, error) {
	var all []group
	for side := range sides {
		if types[side] != Directory {
			continue
		}
		entries, err := w.List(side, dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			// It would be taken for what lies beside, and removed again.
			if side != Mine && strings.HasSuffix(e.Name, Suffix) {
				continue
			}
			g := group{name: e.Name}
			g.types[side] = e.Type
			all = append(all, g)
		}
	}
	slices.SortFunc(all, byName)
	return attach(join(all)), nil
}

// byName orders by bytes, so that a name stands before the same one with a suffix.
func byName(a, b group) int { return strings.Compare(a.name, b.name) }

// join makes one of the groups with the same name, which stand together.
func join(sorted []group) []group {
	joined := sorted[:0]
	for _, g := range sorted {
		last := len(joined) - 1
		if last < 0 || joined[last].name != g.name {
			joined = append(joined, g)
			continue
		}
		for side := range sides {
			joined[last].types[side] = cmp.Or(joined[last].types[side], g.types[side])
		}
	}
	return joined
}

// attach makes what lies beside a vendor's name a part of that name's group, so that both
// are decided together. Where no vendor has the name, it is a file like any other.
func attach(sorted []group) []group {
	for i, g := range sorted {
		of, is := strings.CutSuffix(g.name, Suffix)
		if !is {
			continue
		}
		at, found := slices.BinarySearchFunc(sorted, group{name: of}, byName)
		if found && (sorted[at].types[Base] != Absent || sorted[at].types[Theirs] != Absent) {
			sorted[at].beside = true
			sorted[i].types = [sides]Type{}
		}
	}
	return slices.DeleteFunc(sorted, func(g group) bool { return g.types == [sides]Type{} })
}
