package apply

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/tmpfiles"
)

// Operations say what to do with the lines.
type Operations uint8

// The operations. Those before Create come first, whatever is asked for: things are
// built on ground that has been cleared.
const (
	Create Operations = 1 << iota
	Remove
	Clean
	Purge
)

// Options say how to apply a configuration.
type Options struct {
	Operations Operations
	// Now is the time that ages are counted from.
	Now time.Time
	// User and Group return the number of a name in an ACL. Names of owners are
	// resolved when the configuration is read.
	User, Group func(name string) (uint32, error)
	// Graceful leaves out of ACLs whom nobody knows, without a word.
	Graceful bool
	// Report, if set, is told what goes wrong, and with which line.
	Report func(tmpfiles.Problem)
	// DryRun, if set, is told what would be done, and nothing is done.
	DryRun func(action string)
}

// applier applies the lines of a configuration to a tree.
type applier struct {
	opts   Options
	config *tmpfiles.Config
	tree   *tree
	top    string         // the name of the root, for messages
	line   *tmpfiles.Line // that is being applied
	now    time.Time

	linksChecked, linksProtected bool
	sockets                      map[string]bool // those in use, once it is known
}

// Apply does what the lines of a configuration say to the tree below root. It goes on
// after a failure, and returns the first.
func Apply(root *os.File, config *tmpfiles.Config, opts Options) error {
	t, err := newTree(int(root.Fd()))
	if err != nil {
		return fmt.Errorf("open root %q: %w", root.Name(), err)
	}
	defer t.close()
	a := &applier{opts: opts, config: config, tree: t, top: root.Name(), now: opts.Now}
	if a.now.IsZero() {
		a.now = time.Now()
	}
	var first error
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	if opts.Operations&Purge != 0 {
		note(a.clearing(Purge))
	}
	if ops := opts.Operations & (Remove | Clean); ops != 0 {
		note(a.clearing(ops))
	}
	if opts.Operations&Create != 0 {
		note(a.creating())
	}
	return first
}

// clearing removes and cleans: what is below first.
func (a *applier) clearing(ops Operations) error {
	var first error
	for group := range a.config.Reverse() {
		for i := range group.Lines {
			a.line = &group.Lines[i]
			// Per line in this order, as they do not depend on each other.
			for _, o := range []struct {
				operation Operations
				do        func(*tmpfiles.Line) error
			}{{Remove, a.remove}, {Clean, a.clean}, {Purge, a.purge}} {
				if ops&o.operation == 0 {
					continue
				}
				if err := o.do(a.line); err != nil && first == nil {
					first = err
				}
			}
		}
	}
	return first
}

// creating makes and adjusts: what is above first.
func (a *applier) creating() error {
	var first error
	for group := range a.config.Groups() {
		for i := range group.Lines {
			a.line = &group.Lines[i]
			err := a.create(a.line)
			// What is optional at creation is not so at removal.
			if err != nil && !a.line.Optional && first == nil {
				first = err
			}
		}
	}
	return first
}

// fail reports that something cannot be done, and returns it as an error. That a path is
// below an automount point is none: the line is not for now.
func (a *applier) fail(op, path string, cause error) error {
	err := fmt.Errorf("%s %q: %w", op, a.name(path), cause)
	switch {
	case errors.Is(cause, errAutofs):
		a.report(tmpfiles.Skipped, err)
		return nil
	case a.line.Optional:
		a.report(tmpfiles.Notice, err)
	default:
		a.report(tmpfiles.Failed, err)
	}
	return err
}

// notice reports what is no failure.
func (a *applier) notice(op, path string, cause error) {
	a.report(tmpfiles.Notice, fmt.Errorf("%s %q: %w", op, a.name(path), cause))
}

// report tells the caller about the current line.
func (a *applier) report(class tmpfiles.Class, err error) {
	if a.opts.Report != nil {
		a.opts.Report(tmpfiles.Problem{
			File: a.line.File, Number: a.line.Number, Class: class, Err: err})
	}
}

// dry says whether nothing may be changed.
func (a *applier) dry() bool { return a.opts.DryRun != nil }

// would says what would be done, if this is a dry run.
func (a *applier) would(format string, args ...any) bool {
	if !a.dry() {
		return false
	}
	a.opts.DryRun(fmt.Sprintf(format, args...))
	return true
}

// name is a path for people: with that of the root before it.
func (a *applier) name(p string) string { return path.Join(a.top, p) }

// join adds a name to a path, and leaves ".." in it as it is.
func join(dir, name string) string { return strings.TrimSuffix(dir, "/") + "/" + name }

// bound says whether a socket is in use. If that cannot be found out, it is.
func (a *applier) bound(p string) bool {
	if a.sockets == nil {
		list, err := os.ReadFile("/proc/net/unix")
		if err != nil {
			return true
		}
		a.sockets = socketPaths(string(list))
	}
	return a.sockets[a.name(p)]
}

// socketPaths finds the paths in /proc/net/unix: the eighth column, if there is one. The
// columns before have no slash in them.
func socketPaths(list string) map[string]bool {
	paths := map[string]bool{}
	for line := range strings.Lines(list) {
		if at := strings.Index(line, " /"); at >= 0 {
			paths[path.Clean(strings.TrimSuffix(line[at+1:], "\n"))] = true
		}
	}
	return paths
}

// Exhausted says whether an error means that the system is short of something, so that
// to go on makes no sense.
func Exhausted(err error) bool {
	return errors.Is(err, unix.ENOMEM) ||
		errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
}
