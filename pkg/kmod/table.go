package kmod

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Errors of [ParseTable] that a caller may want to tell apart.
var (
	// ErrFormat is returned for data that is not a table of this version.
	ErrFormat = errors.New("not a module table of version 1")
	// ErrTooLarge is returned for data beyond any sensible table.
	ErrTooLarge = errors.New("module table larger than 16 MiB")
)

// Table says what a set of modules needs and which hardware it serves. It is
// immutable, all its strings are parts of the text it was parsed from.
type Table struct {
	release string
	modules []string // lines, sorted by the name they start with
	groups  []group
}

// group is the aliases that share a prefix.
type group struct {
	prefix string
	lines  string
}

// ParseTable reads a table. It looks at line starts only, so that a boot pays for
// the lines it uses and not for all of them.
func ParseTable(data []byte) (*Table, error) {
	if len(data) > maxTable {
		return nil, ErrTooLarge
	}
	text, ok := strings.CutPrefix(string(data), magic)
	if !ok {
		return nil, ErrFormat
	}
	release, text, ok := strings.Cut(text, "\n")
	if !ok || release == "" {
		return nil, ErrFormat
	}
	t := &Table{release: release}
	rest, err := t.parseModules(text)
	if err != nil {
		return nil, err
	}
	return t, t.parseGroups(rest)
}

// parseModules takes the lines up to the empty one. They have to be sorted, since
// [Table.Order] searches them.
func (t *Table) parseModules(text string) (rest string, err error) {
	last := ""
	for text != "" {
		line, next, _ := strings.Cut(text, "\n")
		if line == "" {
			return next, nil
		}
		name := firstWord(line)
		if name <= last {
			return "", errors.New("module table: " + strconv.Quote(name) +
				" out of order after " + strconv.Quote(last))
		}
		t.modules = append(t.modules, line)
		text, last = next, name
	}
	return "", nil
}

// parseGroups cuts the aliases at the lines that head a group.
func (t *Table) parseGroups(text string) error {
	for text != "" {
		line, next, _ := strings.Cut(text, "\n")
		if line == "" || line[0] != head {
			return errors.New("module table: " + strconv.Quote(line) +
				" where a group of aliases should start")
		}
		end := len(next)
		if i := strings.Index(next, "\n@"); i >= 0 {
			end = i + 1
		}
		t.groups = append(t.groups, group{prefix: line[1:], lines: next[:end]})
		text = next[end:]
	}
	return nil
}

// Release returns the kernel release that the modules were built for.
func (t *Table) Release() string { return t.release }

// Names returns the names of all modules, sorted.
func (t *Table) Names() []string {
	names := make([]string, len(t.modules))
	for i, line := range t.modules {
		names[i] = firstWord(line)
	}
	return names
}

// Aliases returns how many alias patterns the table has.
func (t *Table) Aliases() int {
	n := 0
	for _, g := range t.groups {
		// Each line has a module and, a space before each, its patterns.
		n += strings.Count(g.lines, " ")
	}
	return n
}

// Lookup returns the modules that serve a device with this modalias, or that the
// kernel would ask for by this name ("fs-btrfs"), best first and each once.
func (t *Table) Lookup(modalias string) []string {
	name := Normalize(modalias)
	var found []string
	for _, g := range t.groups {
		if strings.HasPrefix(name, g.prefix) {
			found = g.lookup(name, found)
		}
	}
	return found
}

// lookup appends the modules of the group that have a pattern for name.
func (g group) lookup(name string, found []string) []string {
	for text := g.lines; text != ""; {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		module, patterns, _ := strings.Cut(line, " ")
		if module != "" && anyMatch(patterns, name) && !slices.Contains(found, module) {
			found = append(found, module)
		}
	}
	return found
}

// anyMatch reports whether one of the patterns, separated by spaces, fits name.
func anyMatch(patterns, name string) bool {
	for patterns != "" {
		var pattern string
		pattern, patterns, _ = strings.Cut(patterns, " ")
		if Match(pattern, name) {
			return true
		}
	}
	return false
}

// Order returns the module with everything that modprobe would load with it, in load
// order, or nil if the table does not have the module.
//
// Part of that is optional (a checksum in the instructions of a CPU that this one is
// not), and the table cannot know which part. So a caller loads all, and only a
// failure of the module itself counts.
func (t *Table) Order(name string) []string {
	w := walk{table: t, soft: true}
	w.visit(Normalize(name))
	return w.order
}

// Required is [Table.Order] without what is optional: the least that lets the module
// load. What it skips may be missed later: btrfs loads without sha256, but does not
// mount a file system that uses it, and without crc32c_intel it stays slow.
func (t *Table) Required(name string) []string {
	w := walk{table: t}
	w.visit(Normalize(name))
	return w.order
}

// walk collects modules after what they need.
type walk struct {
	table *Table
	soft  bool     // follow what is optional
	seen  []string // also those under way: that ends cycles
	order []string
}

func (w *walk) visit(name string) {
	if slices.Contains(w.seen, name) {
		return
	}
	line, ok := w.table.find(name)
	if !ok {
		return
	}
	w.seen = append(w.seen, name)
	_, words, _ := strings.Cut(line, " ")
	w.follow(words, false)
	w.order = append(w.order, name)
	w.follow(words, true)
}

// follow visits the words that belong before, or those that belong after a module.
func (w *walk) follow(words string, later bool) {
	for words != "" {
		var word string
		word, words, _ = strings.Cut(words, " ")
		name := strings.TrimLeft(word, "?>")
		isLater := strings.HasPrefix(word, string(after))
		if isLater == later && (w.soft || name == word) {
			w.visit(name)
		}
	}
}

// find returns the line of a module.
func (t *Table) find(name string) (string, bool) {
	i, ok := slices.BinarySearchFunc(t.modules, name, func(line, name string) int {
		return strings.Compare(firstWord(line), name)
	})
	if !ok {
		return "", false
	}
	return t.modules[i], true
}

func firstWord(line string) string {
	word, _, _ := strings.Cut(line, " ")
	return word
}
