// Package rules says what of an /etc and a /var must not be in an image: what belongs
// to one machine, to one person, or to nobody any more.
//
// A rule is a glob of paths with a reason. It is data, kept in one table, so that the
// builder of a factory drops what it names, and the check of a factory finds it.
//
// Paths have no slash in front: "etc/hostname". In a glob, * and ? and [] do not match
// a slash, as in path.Match, and the component ** stands for any number of components,
// also for none.
package rules

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Rule names what is to be dropped.
type Rule struct {
	Why   string   // completes "it is dropped: ..."
	Globs []string // of paths
	// Files restricts the rule to regular files: a link is the vendor's, and a
	// directory is expected by whoever fills it.
	Files bool
	// Secret says that to publish it does harm.
	Secret bool
}

// Set is what to drop and what to keep nevertheless.
type Set struct {
	rules []Rule
	keep  []string
}

// New makes a set of some rules, and of the globs of a person, which go before them:
// what keep names is kept, and drop names more to be dropped.
func New(rules []Rule, drop, keep []string) (*Set, error) {
	s := &Set{}
	for _, glob := range drop {
		clean, err := parse(glob)
		if err != nil {
			return nil, err
		}
		s.rules = append(s.rules, Rule{Why: "it was asked for", Globs: []string{clean}})
	}
	for _, glob := range keep {
		clean, err := parse(glob)
		if err != nil {
			return nil, err
		}
		s.keep = append(s.keep, clean)
	}
	s.rules = append(s.rules, rules...)
	return s, nil
}

// Find returns the rule that drops a path, or nil.
func (s *Set) Find(name string, mode fs.FileMode) *Rule {
	for i := range s.rules {
		if s.rules[i].matches(name, mode) {
			return &s.rules[i]
		}
	}
	return nil
}

// Keeps says that a path is to be kept, with all below it.
func (s *Set) Keeps(name string) bool { return anyMatches(s.keep, name) }

// KeepsBelow says that something below a directory may be one to keep.
func (s *Set) KeepsBelow(dir string) bool {
	for _, glob := range s.keep {
		if matchesAbove(strings.Split(glob, "/"), strings.Split(dir, "/")) {
			return true
		}
	}
	return false
}

func (r *Rule) matches(name string, mode fs.FileMode) bool {
	if r.Files && !mode.IsRegular() {
		return false
	}
	return anyMatches(r.Globs, name)
}

func anyMatches(globs []string, name string) bool {
	parts := strings.Split(name, "/")
	for _, glob := range globs {
		if matches(strings.Split(glob, "/"), parts) {
			return true
		}
	}
	return false
}

// parse checks a glob, and takes off the slashes that people put at the ends.
func parse(glob string) (string, error) {
	clean := strings.Trim(glob, "/")
	if _, err := path.Match(clean, ""); err != nil {
		return "", fmt.Errorf("parse glob %q: %w", glob, err)
	}
	if path.Clean(clean) != clean || !strings.HasPrefix(clean, "etc") &&
		!strings.HasPrefix(clean, "var") && !strings.HasPrefix(clean, "*") {
		return "", fmt.Errorf("parse glob %q: it names nothing in /etc or /var", glob)
	}
	return clean, nil
}

// matches compares component by component. The globs are ours or a person's, so that
// it does not matter that several ** cost more.
func matches(glob, parts []string) bool {
	if len(glob) == 0 || len(parts) == 0 {
		return len(parts) == 0 && (len(glob) == 0 || len(glob) == 1 && glob[0] == "**")
	}
	if glob[0] == "**" {
		return matches(glob[1:], parts) || matches(glob, parts[1:])
	}
	ok, _ := path.Match(glob[0], parts[0]) // parse has seen to errors
	return ok && matches(glob[1:], parts[1:])
}

// matchesAbove says whether a path below parts may match.
func matchesAbove(glob, parts []string) bool {
	if len(parts) == 0 {
		return len(glob) > 0
	}
	if len(glob) == 0 {
		return false
	}
	if glob[0] == "**" {
		return true
	}
	ok, _ := path.Match(glob[0], parts[0])
	return ok && matchesAbove(glob[1:], parts[1:])
}
