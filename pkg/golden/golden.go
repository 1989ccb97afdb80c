// Package golden makes a golden master of an installed system: it turns the /etc and
// /var of a tree into the factory in its /usr, so that nothing but /usr has to exist.
//
// The copy is whole, by pkg/factory, but for what must be in no image: the table of
// pkg/golden/rules says what, and why. Password hashes become locked ones, and the
// users and groups that are people's are dropped. For systems where only systemd
// populates, lines of tmpfiles.d(5) and sysusers.d(5) are written for what no shipped
// line makes.
//
// A factory that the tree has already is completed: what it has and /etc and /var lack
// stays. Everything is prepared in usr/share/factory.new, and put in place by one
// rename; after a failure the tree is what it was.
//
// It refuses trees that are not usr-merged, and /etc or /var that are links. The same
// tree gives the same result, also in its times, if Options.Epoch is set.
//
// Build needs root, as pkg/factory does; Prepare needs to be able to read the tree,
// and changes nothing.
package golden

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/freshroot/freshroot/pkg/factory"
)

// Where the factory is, and where it is prepared.
const (
	factoryDir = "usr/share/factory"
	stagingDir = factoryDir + ".new"
)

// Options says what to drop. The zero value is good.
type Options struct {
	// Exclude and Include are globs, as pkg/golden/rules has them, of what to
	// drop besides, and of what to keep whatever the rules say.
	Exclude, Include []string
	KeepPasswords    bool
	KeepUsers        bool // also those of people
	DropPackages     bool // also what the package managers know
	// Epoch, if it is not zero, is the latest time that a file may have.
	Epoch time.Time
}

// Build makes the factory of a tree. The statistics are those of the copy, before
// anything was dropped from it.
func Build(root *os.Root, opts Options) (*Plan, factory.Stats, error) {
	p, err := Prepare(root, opts)
	if err != nil {
		return nil, factory.Stats{}, err
	}
	stats, err := p.stage(root, opts)
	if err == nil {
		err = commit(root)
	}
	if err != nil {
		return nil, stats, errors.Join(err, root.RemoveAll(stagingDir))
	}
	// After the factory, as they refer to it; a line without a source does nothing.
	return p, stats, p.writeFiles(root, opts.Epoch)
}

// stage prepares the factory beside its place, on the same file system, so that it can
// be renamed.
func (p *Plan) stage(root *os.Root, opts Options) (stats factory.Stats, err error) {
	if err := root.RemoveAll(stagingDir); err != nil {
		return stats, fmt.Errorf("remove what an earlier build left: %w", err)
	}
	if err := makeDir(root, stagingDir); err != nil {
		return stats, err
	}
	staged, err := root.OpenRoot(stagingDir)
	if err != nil {
		return stats, fmt.Errorf("open staging directory: %w", err)
	}
	defer staged.Close()
	if stats, err = copyParts(staged, root); err != nil {
		return stats, err
	}
	if err := p.prune(staged); err != nil {
		return stats, err
	}
	return stats, Clamp(staged, ".", opts.Epoch)
}
