package tmpfiles

import (
	"iter"
	"slices"
)

// Groups returns the groups in the order in which they are created: as the lines were
// added, but patterns after all others, and in any case after the group for the closest
// path above.
func (c *Config) Groups() iter.Seq[Group] {
	return func(yield func(Group) bool) {
		var (
			parents = c.parents()
			done    = make([]bool, len(c.refs))
			chain   []uint32
			buffer  []Line
		)
		for _, head := range c.heads {
			// Up to the first that is done already, then down again.
			chain = chain[:0]
			for at := head; at != none && !done[at]; at = parents[at] {
				chain, done[at] = append(chain, at), true
			}
			for _, at := range slices.Backward(chain) {
				if !yield(c.group(at, &buffer)) {
					return
				}
			}
		}
	}
}

// Reverse returns the groups in the order in which they are removed or cleaned: as the
// lines were added, but in any case after the groups for paths below.
func (c *Config) Reverse() iter.Seq[Group] {
	return func(yield func(Group) bool) {
		var (
			parents = c.parents()
			done    = make([]bool, len(c.refs))
			tree    []uint32
			buffer  []Line
		)
		for _, head := range c.heads {
			if done[head] {
				continue
			}
			tree = c.appendTree(tree[:0], head, parents)
			for _, at := range slices.Backward(tree) {
				if done[at] {
					continue
				}
				done[at] = true
				if !yield(c.group(at, &buffer)) {
					return
				}
			}
		}
	}
}

// appendTree appends the head of a group and those of all groups that it is above of,
// parents first. The sort has put them in one place, among which there may only be the
// pattern that is the same as the group's path.
func (c *Config) appendTree(tree []uint32, head uint32, parents []uint32) []uint32 {
	top := c.path(head)
	tree = append(tree, head)
	for at := c.end(head); int(at) < len(c.refs); at = c.end(at) {
		path := c.path(at)
		if path != top && !below(path, top) {
			break
		}
		if parent := parents[at]; parent != none && parent >= head {
			tree = append(tree, at)
		}
	}
	return tree
}

// none is the parent of a group that has none.
const none = ^uint32(0)

// parents returns, for each head, that of the group for the closest path above. Where
// there is a pattern that is the same as a path, the path's group is the parent.
func (c *Config) parents() []uint32 {
	var (
		parents = make([]uint32, len(c.refs))
		above   []uint32 // heads, each above the next
		last    = none
	)
	for at := uint32(0); int(at) < len(c.refs); at = c.end(at) {
		// The pattern after a path that is the same has the same parent, and is none itself.
		if last != none && c.path(at) == c.path(last) {
			parents[at] = parents[last]
			continue
		}
		for len(above) > 0 && !below(c.path(at), c.path(above[len(above)-1])) {
			above = above[:len(above)-1]
		}
		parents[at] = none
		if len(above) > 0 {
			parents[at] = above[len(above)-1]
		}
		above, last = append(above, at), at
	}
	return parents
}

// group returns the group that begins at head. The buffer is used again for the next one.
func (c *Config) group(head uint32, buffer *[]Line) Group {
	g := Group{Path: c.path(head), Glob: c.glob(head), Lines: (*buffer)[:0]}
	for at := head; at < c.end(head); at++ {
		var l Line
		c.lines.get(c.refs[at], &l)
		if age, ok := c.ages[at]; ok {
			// Only that: by which times, and what is kept, is the line's own.
			l.Age.Set, l.Age.For = true, age.For
		}
		g.Lines = append(g.Lines, l)
	}
	*buffer = g.Lines
	return g
}

// Has says whether there are lines for exactly this path, which are no patterns: such a
// path is cleaned on its own, and not with the directory that it is in.
func (c *Config) Has(path string) bool {
	at, found := slices.BinarySearchFunc(c.refs, path, func(r ref, path string) int {
		_, own := c.lines.key(r)
		return comparePath(own, path)
	})
	return found && !c.glob(uint32(at))
}

// Matches says whether a path fits the pattern of a line, whatever its type: such a path
// is not cleaned with the directory that it is in.
func (c *Config) Matches(path string) bool {
	return slices.ContainsFunc(c.globs, func(head uint32) bool {
		return Match(c.path(head), path)
	})
}

// path returns the path of a line.
func (c *Config) path(at uint32) string {
	_, path := c.lines.key(c.refs[at])
	return path
}
