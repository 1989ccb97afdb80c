package depmod

import (
	"fmt"
	"slices"
	"strings"

	"github.com/freshroot/freshroot/pkg/kmod"
)

// Module is a module that was selected.
type Module struct {
	kmod.Module
	// Path is the file, relative to the tree.
	Path string
}

// MissingError is returned by [Tree.Select] for names that mean nothing to the tree.
type MissingError struct {
	Names []string
}

// Error names all that is missing, so that a list is put right at once.
func (e *MissingError) Error() string {
	return fmt.Sprintf("modules %q: neither in the tree nor built into the kernel",
		e.Names)
}

// gaps are what a module needs while it loads, without a trace of it in modules.dep,
// since it asks the crypto API for it by name.
var gaps = map[string][]string{
	"libcrc32c": {"crc32c_generic"},
}

// Select returns the wanted modules and everything they need or would like to have,
// each once and after what it needs. What is built into the kernel needs no module.
//
// A wanted name is that of a module, or an alias such as "fs-btrfs", or, if it has
// a slash, a pattern of paths such as "kernel/drivers/mmc/host/*". If one of required
// does not exist, that is a [*MissingError]; in optional it is fine.
func (t *Tree) Select(required, optional []string) ([]Module, error) {
	s := selection{tree: t, seen: map[string]bool{}}
	missing := &MissingError{}
	for _, name := range required {
		if !s.add(name) {
			missing.Names = append(missing.Names, name)
		}
	}
	if len(missing.Names) > 0 {
		return nil, missing
	}
	for _, name := range optional {
		s.add(name)
	}
	return s.modules, s.err
}

// selection collects modules after what they need.
type selection struct {
	tree    *Tree
	seen    map[string]bool // also those under way: that ends cycles
	modules []Module
	err     error // the first
}

// add visits what a wanted name stands for, and reports whether that is anything.
func (s *selection) add(name string) bool {
	if strings.Contains(name, "/") {
		return s.addPaths(name)
	}
	names, ok := s.tree.resolve(name)
	for _, name := range names {
		s.visit(name)
	}
	return ok
}

// addPaths visits the modules whose path fits the pattern, whatever their suffix.
func (s *selection) addPaths(pattern string) bool {
	var names []string
	for name, f := range s.tree.files {
		file, _, _ := strings.Cut(f.path, ".ko")
		if kmod.Match(pattern, f.path) || kmod.Match(pattern, file) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		s.visit(name)
	}
	return len(names) > 0
}

// visit adds a module of the tree, after what it needs.
func (s *selection) visit(name string) {
	if s.seen[name] {
		return
	}
	s.seen[name] = true
	m, err := s.tree.module(name)
	if err != nil {
		if s.err == nil {
			s.err = err
		}
		return
	}
	for _, p := range m.Before {
		s.visit(p.Name)
	}
	s.modules = append(s.modules, m)
	for _, name := range m.After {
		s.visit(name)
	}
}

// module returns a module of the tree with all that belongs before and after it.
func (t *Tree) module(name string) (Module, error) {
	f := t.files[name]
	m := Module{Module: kmod.Module{Name: name}, Path: f.path}
	for _, need := range f.needs {
		if _, ok := t.files[need]; !ok {
			return m, fmt.Errorf("module %q: needs %q, which modules.dep does not list",
				name, need)
		}
		m.Before = append(m.Before, kmod.Prerequisite{Name: need})
	}
	for _, need := range t.modulesOf(f.pre) {
		m.Before = require(m.Before, need, slices.Contains(gaps[name], need))
	}
	for _, need := range t.modulesOf(gaps[name]) {
		m.Before = require(m.Before, need, true)
	}
	m.After = t.modulesOf(f.post)
	return m, nil
}

// require adds a prerequisite unless it is there already.
func require(list []kmod.Prerequisite, name string, hard bool) []kmod.Prerequisite {
	for _, p := range list {
		if p.Name == name {
			return list
		}
	}
	return append(list, kmod.Prerequisite{Name: name, Soft: !hard})
}

// modulesOf returns the modules that softdeps stand for, without those that do not
// exist or are built in.
func (t *Tree) modulesOf(softdeps []string) []string {
	var names []string
	for _, word := range softdeps {
		found, _ := t.resolve(word)
		names = append(names, found...)
	}
	return names
}

// resolve returns the modules that a name or alias stands for; none, but ok, for
// what is built in.
func (t *Tree) resolve(name string) (modules []string, ok bool) {
	name = kmod.Normalize(name)
	if _, ok := t.files[name]; ok {
		return []string{name}, true
	}
	if t.builtin[name] {
		return nil, true
	}
	for _, a := range t.aliases {
		if _, ok := t.files[a.Module]; ok && kmod.Match(a.Pattern, name) {
			modules = append(modules, a.Module)
		}
	}
	return modules, len(modules) > 0
}

// Aliases returns the aliases that the selected modules serve, in the order of
// modules.alias.
func (t *Tree) Aliases(modules []Module) []kmod.Alias {
	selected := map[string]bool{}
	for _, m := range modules {
		selected[m.Name] = true
	}
	var aliases []kmod.Alias
	for _, a := range t.aliases {
		if selected[a.Module] {
			aliases = append(aliases, a)
		}
	}
	return aliases
}
