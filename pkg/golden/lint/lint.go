// Package lint finds what keeps a golden master from booting with an empty /etc and
// /var, and what must not be in one: sources that are missing, links that lead nowhere,
// users that nobody makes, doors left open, secrets.
//
// It reads a tree that has a /usr, with the factory in it, and changes nothing. What
// cannot be known from the tree, such as the ends of links into /run, it does not judge.
// The tree is not trusted: links are resolved in it, files are read up to a bound.
//
// It needs to be able to read the tree, so root for what only root may read.
package lint

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"slices"

	"github.com/freshroot/freshroot/pkg/rootfs"
)

// Severity says how bad a finding is.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // the image does not work, or lets the wrong ones in
	Warning Severity = "warning" // something in it does not work
	Note    Severity = "note"    // it may be meant so
)

// Finding is one thing found.
type Finding struct {
	Severity Severity `json:"severity"`
	Check    string   `json:"check"` // the name of the check that found it
	Path     string   `json:"path"`  // of the tree, without the slash in front
	What     string   `json:"what"`
	Why      string   `json:"why"`
	Do       string   `json:"do"`
}

// cause is an error without the file, which the finding names.
func cause(err error) string {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err.Error()
	}
	return err.Error()
}

// A check looks at a tree and tells what it finds.
type check struct {
	name string
	find func(*tree) []Finding
}

var checks = []check{
	{"layout", checkLayout},
	{"factory", checkFactory},
	{"init", checkInit},
	{"lines", checkLines},
	{"tmpfiles", checkTmpfiles},
	{"names", checkNames},
	{"links", checkLinks},
	{"owners", checkOwners},
	{"ids", checkIDs},
	{"drift", checkDrift},
	{"passwords", checkPasswords},
	{"pam", checkPAM},
	{"machine", checkMachine},
	{"keys", checkKeys},
	{"disks", checkDisks},
	{"modes", checkModes},
	{"utf8", checkNamesUTF8},
	{"units", checkUnits},
	{"host-keys", checkHostKeys},
	{"scripts", checkScripts},
}

// Run looks at a tree. The worst findings come first.
func Run(root *os.File) ([]Finding, error) { return run(rootfs.FS(root)) }

func run(root fs.FS) ([]Finding, error) {
	t, err := load(root)
	if err != nil {
		return nil, err
	}
	var found []Finding
	for _, c := range checks {
		for _, f := range c.find(t) {
			f.Check = c.name
			found = append(found, f)
		}
	}
	order := []Severity{Error, Warning, Note}
	slices.SortStableFunc(found, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(slices.Index(order, a.Severity), slices.Index(order, b.Severity)),
			cmp.Compare(a.Check, b.Check), cmp.Compare(a.Path, b.Path))
	})
	return found, nil
}
