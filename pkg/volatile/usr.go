package volatile

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"strings"

	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/version"
)

// Usr is the golden master that was picked, and why.
type Usr struct {
	Entry    string        // its name in the pool
	Member   subvol.Member // the same, parsed
	Degraded bool          // its tries are spent, and there was nothing better
	Skipped  []Skipped     // what was passed over
	Older    int           // how many more could be fallen back to
}

// Skipped is a member that was passed over.
type Skipped struct {
	Entry  string `json:"entry"`
	Reason string `json:"reason"`
}

// PickUsr chooses the golden master to boot among the entries of the pool. check
// says why one cannot be used; it is asked newest first and only until one can, so
// that ten thousand members cost no look at each. A *Failure lists all reasons.
func PickUsr(entries []string, opts Options, arch string, check func(entry string) error) (Usr, []string, error) {
	ranked, skipped := rank(entries, opts, arch)
	var usr Usr
	for ranked.Len() > 0 && usr.Entry == "" {
		best := heap.Pop(&ranked).(*golden)
		if err := check(best.entry); err != nil {
			skipped = append(skipped, Skipped{best.entry, err.Error()})
			continue
		}
		usr = Usr{Entry: best.entry, Member: best.Member, Degraded: best.Tries.Bad()}
	}
	if usr.Entry == "" {
		return Usr{}, nil, noUsr(skipped, arch)
	}
	for _, g := range ranked {
		// Without a pin the spent ones rank last, and none of them was looked at.
		if g.Tries.Bad() {
			skipped = append(skipped, Skipped{g.entry, fmt.Sprintf("no tries left (%s)", g.Tries)})
		} else {
			usr.Older++
		}
	}
	usr.Skipped = skipped
	return usr, usrWarnings(usr, ranked, opts), nil
}

// golden is a golden master of our architecture.
type golden struct {
	subvol.Member
	entry  string
	misfit int // how badly it fits the pin
}

// better orders as systemd's vpick does, below what the pin says: spent ones last,
// then the newest, then the one that is not counted or has more tries.
func (g *golden) better(h *golden) int {
	if order := cmp.Or(preferTrue(!g.Tries.Bad(), !h.Tries.Bad()), cmp.Compare(g.misfit, h.misfit)); order != 0 {
		return order
	}
	if order := version.Compare(h.Version, g.Version); order != 0 {
		return order
	}
	return cmp.Or(
		preferTrue(!g.Tries.Counted, !h.Tries.Counted),
		cmp.Compare(h.Tries.Left, g.Tries.Left),
		cmp.Compare(g.Tries.Done, h.Tries.Done),
		strings.Compare(g.entry, h.entry),
	)
}

// ranking is a heap with the best golden master on top: only the ones that are
// looked at are put in order.
type ranking []*golden

func (r ranking) Len() int           { return len(r) }
func (r ranking) Less(i, j int) bool { return r[i].better(r[j]) < 0 }
func (r ranking) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *ranking) Push(x any)        { *r = append(*r, x.(*golden)) }
func (r *ranking) Pop() any {
	last := (*r)[len(*r)-1]
	*r = (*r)[:len(*r)-1]
	return last
}

// rank sorts out the golden masters that could boot here.
func rank(entries []string, opts Options, arch string) (ranking, []Skipped) {
	var ranked ranking
	var skipped []Skipped
	pinned := parsePin(opts.Usr)
	for _, entry := range entries {
		if !strings.HasPrefix(entry, string(subvol.Usr)+":") {
			continue
		}
		m, err := subvol.Parse(entry)
		switch {
		case err != nil:
			skipped = append(skipped, Skipped{entry, errors.Unwrap(err).Error()})
		case m.Arch != arch:
			skipped = append(skipped, Skipped{entry, "other architecture (" + m.Arch + ")"})
		default:
			ranked = append(ranked, &golden{m, entry, pinned.misfit(m)})
		}
	}
	heap.Init(&ranked)
	return ranked, skipped
}

// pin is what freshroot.usr= asks for.
type pin struct {
	any     string // VERSION or VENDOR
	vendor  string // of VENDOR:VERSION, or of a full name
	version string
}

func parsePin(text string) pin {
	if m, err := subvol.Parse(text); err == nil {
		return pin{vendor: m.Vendor, version: m.Version}
	}
	if vendor, version, both := strings.Cut(text, ":"); both {
		return pin{vendor: vendor, version: version}
	}
	return pin{any: text}
}

// misfit says how badly a member fits: 0 not at all badly, 1 only the vendor does.
func (p pin) misfit(m subvol.Member) int {
	switch {
	case p == pin{}, p.vendor == m.Vendor && p.version == m.Version,
		p.any != "" && (p.any == m.Vendor || p.any == m.Version):
		return 0
	case p.vendor == m.Vendor:
		return 1
	}
	return 2
}

func usrWarnings(usr Usr, rest ranking, opts Options) (warnings []string) {
	if parsePin(opts.Usr).misfit(usr.Member) != 0 {
		warnings = append(warnings, fmt.Sprintf(
			"freshroot.usr=%s cannot be booted: %s is booted instead", opts.Usr, usr.Entry))
	}
	if usr.Degraded {
		warnings = append(warnings, fmt.Sprintf(
			"%s never booted well, and there is nothing better", usr.Entry))
	}
	for _, g := range rest {
		if opts.Usr == "" && g.Vendor != usr.Member.Vendor {
			return append(warnings, fmt.Sprintf(
				"the pool holds several vendors and the greatest version is booted; pin one with freshroot.usr=%s",
				usr.Member.Vendor))
		}
	}
	return warnings
}

func noUsr(skipped []Skipped, arch string) *Failure {
	f := &Failure{
		Problem: NoUsr,
		What:    "the pool holds no usr: that can be booted",
		Do: []string{
			"add one, read-only and named usr:VENDOR:" + arch + ":VERSION,",
			"with the modules of the running kernel below lib/modules",
		},
	}
	for _, s := range skipped {
		f.Seen = append(f.Seen, fmt.Sprintf("%q: %s", s.Entry, s.Reason))
	}
	if f.Seen == nil {
		f.Seen = []string{"no member's name starts with usr:"}
	}
	return f
}
