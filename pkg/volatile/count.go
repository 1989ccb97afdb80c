package volatile

import (
	"fmt"
	"slices"

	"github.com/freshroot/freshroot/pkg/subvol"
)

// Who counts the tries of a version that has not proven itself.
const (
	CountedByInit   = "init"
	CountedByLoader = "boot loader"
)

// Count takes a try from a golden master before it boots, by its name: From becomes To.
// The name is on the disk when the step is done.
type Count struct{ From, To string }

// String names the member before and after: a plan shows that a byte changes.
func (s Count) String() string {
	return fmt.Sprintf("count this try: rename %s to %s", s.From, s.To)
}

// count decides who counts this try. It is not ours to count where the boot loader
// does, whose entry then pins the version.
func (p *Plan) count(f Facts) {
	m := p.Usr.Member
	if !m.Tries.Counted || m.Tries.Bad() || f.Unwritable {
		return
	}
	if parsePin(f.Options.Usr).names(&m) && f.LoaderCounts != nil && f.LoaderCounts() {
		p.CountedBy = CountedByLoader
		return
	}
	// A name that is taken is skipped: somebody copied the member at an earlier try.
	next := m.Tries.Next()
	name, err := subvol.Recount(p.Usr.Entry, next)
	for err == nil && next.Left > 0 && slices.Contains(f.Entries, name) {
		next = next.Next()
		name, err = subvol.Recount(p.Usr.Entry, next)
	}
	if err == nil { // as always: the name was parsed before
		p.CountedBy, p.counted = CountedByInit, name
	}
}

// Endless says that a reboot would lead to the same boot again, with no try less: all
// versions are bad, and freshroot.on-failure= does not ask for reboots all the same.
func (p Plan) Endless() bool {
	return p.Usr.Degraded && p.Options.OnFailure != "reboot"
}

// entry is the name that the golden master boots with.
func (p Plan) entry() string {
	if p.counted != "" {
		return p.counted
	}
	return p.Usr.Entry
}

// countFirst puts the counting before the steps that may need a writable pool.
func (p Plan) countFirst(steps []Step) []Step {
	if p.counted == "" {
		return steps
	}
	count := Count{p.Usr.Entry, p.counted}
	switch {
	case len(steps) > 0 && steps[0] == Step(Remount{Writable: true}):
		return slices.Insert(steps, 1, Step(count))
	case p.Options.Mode == Yes || p.Options.Mode == Overlay:
		return append([]Step{Remount{Writable: true}, count, Remount{Writable: false}}, steps...)
	}
	return append([]Step{count}, steps...)
}
