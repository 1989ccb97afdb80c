package tmpfiles

import (
	"cmp"
	"fmt"
	"slices"
)

// Group are the lines for one path, in the order in which they are applied: first those
// that own it, then those that adjust it. Either all of them take Path as a pattern, or
// none.
type Group struct {
	Path  string
	Glob  bool
	Lines []Line // valid until the next group
}

// Config are the lines of all files. Lines are added, Finish is called once, and then
// they are to be had in the order in which they are applied.
type Config struct {
	lines store
	refs  []ref // after Finish by path, and a pattern after the path that is the same

	// Where groups begin in refs, after Finish.
	heads []uint32 // as they were added, patterns after all others
	globs []uint32 // the patterns of heads

	ages map[uint32]Age // of X lines, by their place in refs
}

// Add adds a line after all others.
func (c *Config) Add(l *Line) {
	if len(c.refs) == cap(c.refs) {
		// Doubled, for less garbage than append makes of a big slice.
		c.refs = slices.Grow(c.refs, len(c.refs)+64)
	}
	c.refs = append(c.refs, c.lines.put(l))
}

// Finish sorts the lines. Those that contradict an earlier one for the same path are
// left out and reported.
func (c *Config) Finish() []Problem {
	c.lines.seal()
	// Lines for one path come together, and paths below a directory follow it.
	slices.SortFunc(c.refs, func(a, b ref) int {
		if n := c.comparePaths(a, b); n != 0 {
			return n
		}
		return a.compare(b)
	})
	problems := c.merge()
	slices.SortFunc(c.heads, c.compareAge)
	first, _ := slices.BinarySearchFunc(c.heads, true, func(head uint32, _ bool) int {
		if c.glob(head) {
			return 0
		}
		return -1
	})
	c.globs = c.heads[first:]
	// Only now, for which group was first is told by the first line that was added.
	for _, head := range c.heads {
		group := c.refs[head:c.end(head)]
		slices.SortStableFunc(group, c.compareTypes)
	}
	c.setAges()
	return problems
}

// comparePaths orders lines by path, and patterns after others: for one path there may
// be a group of either kind, and they are not merged.
func (c *Config) comparePaths(a, b ref) int {
	typeA, pathA := c.lines.key(a)
	typeB, pathB := c.lines.key(b)
	if n := comparePath(pathA, pathB); n != 0 || typeA == typeB {
		return n
	}
	return compareBool(isGlob(typeA), isGlob(typeB))
}

// compareAge orders groups as they were added, and patterns after others.
func (c *Config) compareAge(a, b uint32) int {
	if n := compareBool(c.glob(a), c.glob(b)); n != 0 {
		return n
	}
	return c.refs[a].compare(c.refs[b])
}

// compareTypes orders the lines of a group as they are applied.
func (c *Config) compareTypes(a, b ref) int {
	typeA, _ := c.lines.key(a)
	typeB, _ := c.lines.key(b)
	if n := compareBool(!owns(typeA), !owns(typeB)); n != 0 {
		return n
	}
	return cmp.Compare(typeA, typeB)
}

// merge finds the groups, and drops the lines that do not go with the others. The refs
// are compacted in place, where none is written before it was read.
func (c *Config) merge() []Problem {
	var (
		dropped []ref
		group   []Line
		last    ref // of the lines that were looked at
		kept    = c.refs[:0]
	)
	c.heads = make([]uint32, 0, len(c.refs))
	for i, r := range c.refs {
		if i == 0 || c.comparePaths(last, r) != 0 {
			c.heads, group = append(c.heads, uint32(len(kept))), group[:0]
		}
		last = r
		var l Line
		c.lines.get(r, &l)
		if slices.ContainsFunc(group, func(other Line) bool { return conflict(&other, &l) }) {
			dropped = append(dropped, r)
			continue
		}
		group, kept = append(group, l), append(kept, r)
	}
	c.refs = kept
	return c.duplicates(dropped)
}

// duplicates reports the lines that were dropped, in the order of the files.
func (c *Config) duplicates(dropped []ref) []Problem {
	slices.SortFunc(dropped, ref.compare)
	problems := make([]Problem, 0, len(dropped))
	for _, r := range dropped {
		var l Line
		c.lines.get(r, &l)
		err := fmt.Errorf("duplicate line for path %q is ignored", l.Path)
		problems = append(problems, Problem{l.File, l.Number, Notice, err})
	}
	return problems
}

// conflict says whether two lines for the same path cannot both be applied. Those that
// append to a file can. Types and modifiers are not compared, for neither does systemd:
// "d" and "D" for one directory go together if they agree about the rest.
func conflict(a, b *Line) bool {
	if !owns(a.Type) || !owns(b.Type) {
		return false
	}
	if a.Type == 'w' && b.Type == 'w' && a.Append && b.Append {
		return false
	}
	return a.Argument != b.Argument || a.Mode != b.Mode || a.Age != b.Age ||
		!sameOwner(a.User, b.User) || !sameOwner(a.Group, b.Group) ||
		a.Major != b.Major || a.Minor != b.Minor
}

// sameOwner says whether two owners are the same, as far as their numbers are known.
func sameOwner(a, b Owner) bool {
	if a.Numeric && b.Numeric {
		a.Name, b.Name = "", ""
	}
	return a == b
}

// setAges gives X lines the age of the directory that they are in, for what is in theirs
// is cleaned on its own.
func (c *Config) setAges() {
	for _, head := range c.globs {
		for at := head; at < c.end(head); at++ {
			letter, path := c.lines.key(c.refs[at])
			if letter != 'X' {
				continue
			}
			if age := c.ageFor(path); age.Set {
				if c.ages == nil {
					c.ages = map[uint32]Age{}
				}
				c.ages[at] = age
			}
		}
	}
}

// ageFor finds the age that an X line for a path has: that of the line for the same
// directory, of the deepest one that the pattern fits, or of one above.
func (c *Config) ageFor(pattern string) (age Age) {
	candidate := ""
	for _, head := range c.heads[:len(c.heads)-len(c.globs)] {
		for at := head; at < c.end(head); at++ {
			letter, path := c.lines.key(c.refs[at])
			if !isDirectory(letter) || !better(pattern, path, candidate) {
				continue
			}
			candidate = path
			var l Line
			c.lines.get(c.refs[at], &l)
			age = l.Age
			if path == pattern {
				return age
			}
		}
	}
	return age
}

// better says whether the directory at path says more about what fits a pattern than the
// candidate so far.
func better(pattern, path, candidate string) bool {
	if candidate == "" {
		_, above := trimPrefix(pattern, path)
		return above
	}
	_, below := trimPrefix(path, candidate)
	return path == pattern || below && Match(pattern, path)
}

// end returns where the group that begins at head ends in refs.
func (c *Config) end(head uint32) uint32 {
	end := head + 1
	for int(end) < len(c.refs) && c.comparePaths(c.refs[head], c.refs[end]) == 0 {
		end++
	}
	return end
}

// glob says whether the group at head is one of patterns.
func (c *Config) glob(head uint32) bool {
	letter, _ := c.lines.key(c.refs[head])
	return isGlob(letter)
}
