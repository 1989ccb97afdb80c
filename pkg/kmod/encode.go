package kmod

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Module is a module as the table lists it.
type Module struct {
	Name string
	// Before is to be loaded before the module, in this order.
	Before []Prerequisite
	// After is to be loaded after the module, if there is any of it.
	After []string
}

// Prerequisite is what a module wants to be loaded before itself.
type Prerequisite struct {
	Name string
	// Soft marks what the module can load without.
	Soft bool
}

// Alias says that a module serves the devices whose modalias fits the pattern.
type Alias struct {
	Pattern string // normalized, see [NormalizePattern]
	Module  string
}

// Encode returns the text of the table for these modules. The order of the aliases is
// kept where it decides which of two modules comes first.
//
// Names and patterns come from files; those that would break the format are refused.
func Encode(release string, modules []Module, aliases []Alias) ([]byte, error) {
	if !isWord(release) {
		return nil, errors.New("encode module table: bad kernel release " +
			strconv.Quote(release))
	}
	out := []byte(magic + release + "\n")
	sorted := slices.SortedFunc(slices.Values(modules), func(a, b Module) int {
		return strings.Compare(a.Name, b.Name)
	})
	for _, m := range sorted {
		line, err := m.line()
		if err != nil {
			return nil, err
		}
		out = append(out, line...)
	}
	return appendAliases(append(out, '\n'), aliases)
}

// line returns the line of a module.
func (m Module) line() (string, error) {
	for _, name := range m.names() {
		if !isName(name) {
			return "", errors.New("encode module table: bad module name " +
				strconv.Quote(name))
		}
	}
	line := m.Name
	for _, p := range m.Before {
		line += " "
		if p.Soft {
			line += string(soft)
		}
		line += p.Name
	}
	for _, name := range m.After {
		line += " " + string(after) + name
	}
	return line + "\n", nil
}

// names returns all names that the line of a module has.
func (m Module) names() []string {
	names := []string{m.Name}
	for _, p := range m.Before {
		names = append(names, p.Name)
	}
	return append(names, m.After...)
}

// appendAliases appends the groups, sorted. Within a group neighbours of one module
// share a line.
func appendAliases(out []byte, aliases []Alias) ([]byte, error) {
	groups := map[string][]Alias{}
	for _, a := range aliases {
		if !isWord(a.Pattern) || !isName(a.Module) {
			return nil, errors.New("encode module table: bad alias " +
				strconv.Quote(a.Pattern) + " of " + strconv.Quote(a.Module))
		}
		p := prefix(a.Pattern)
		groups[p] = append(groups[p], a)
	}
	for _, p := range slices.Sorted(maps.Keys(groups)) {
		out = append(out, "@"+p+"\n"...)
		out = appendGroup(out, groups[p])
	}
	return out, nil
}

func appendGroup(out []byte, aliases []Alias) []byte {
	for i, a := range aliases {
		if i == 0 || a.Module != aliases[i-1].Module {
			out = append(out, a.Module...)
		}
		out = append(out, " "+a.Pattern...)
		if i+1 == len(aliases) || a.Module != aliases[i+1].Module {
			out = append(out, '\n')
		}
	}
	return out
}

// isWord reports whether s can stand in a table: printable ASCII without spaces.
func isWord(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// isName reports whether s can name a module: a word that has no mark.
func isName(s string) bool {
	return isWord(s) && s[0] != soft && s[0] != after && s[0] != head
}
