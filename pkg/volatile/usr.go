package volatile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
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
	for i := 0; i < len(ranked) && usr.Entry == ""; i++ {
		best := ranked.bring(i)
		if err := check(best.entry); err != nil {
			skipped = append(skipped, Skipped{best.entry, err.Error()})
			continue
		}
		usr = Usr{Entry: best.entry, Member: best.member(), Degraded: best.tries.Bad()}
		ranked = ranked[i+1:]
	}
	if usr.Entry == "" {
		return Usr{}, nil, noUsr(skipped, arch)
	}
	for _, g := range ranked {
		// Without a pin the spent ones rank last, and none of them was looked at.
		if g.tries.Bad() {
			skipped = append(skipped, Skipped{g.entry, fmt.Sprintf("no tries left (%s)", g.tries)})
		} else {
			usr.Older++
		}
	}
	usr.Skipped = skipped
	return usr, usrWarnings(usr, ranked, opts), nil
}

// golden is a golden master of our architecture: as little as it takes to rank it,
// since there may be thousands.
type golden struct {
	entry, vendor, version string
	tries                  subvol.Tries
	misfit                 int // how badly it fits the pin
}

// member parses the name again, which parsed before.
func (g *golden) member() subvol.Member {
	m, _ := subvol.Parse(g.entry)
	return m
}

// better orders as systemd's vpick does, below what the pin says: spent ones last,
// then the newest, then the one that is not counted or has more tries.
func (g *golden) better(h *golden) int {
	if order := cmp.Or(preferTrue(!g.tries.Bad(), !h.tries.Bad()), cmp.Compare(g.misfit, h.misfit)); order != 0 {
		return order
	}
	if order := version.Compare(h.version, g.version); order != 0 {
		return order
	}
	return cmp.Or(
		preferTrue(!g.tries.Counted, !h.tries.Counted),
		cmp.Compare(h.tries.Left, g.tries.Left),
		cmp.Compare(g.tries.Done, h.tries.Done),
		strings.Compare(g.entry, h.entry),
	)
}

// ranking are the golden masters that could boot, of which the best are searched.
type ranking []golden

// bring puts the one that is ith best at i; it is to be called for 0, 1 and so on.
// Nearly always the best can be booted, so only it is searched for, and the others
// are not put in order before it turned out that it cannot.
func (r ranking) bring(i int) *golden {
	switch i {
	case 0:
		best := 0
		for j := range r {
			if r[j].better(&r[best]) < 0 {
				best = j
			}
		}
		r[0], r[best] = r[best], r[0]
	case 1:
		slices.SortFunc(r[1:], func(g, h golden) int { return g.better(&h) })
	}
	return &r[i]
}

// rank sorts out the golden masters that could boot here.
func rank(entries []string, opts Options, arch string) (ranking, []Skipped) {
	ranked := make(ranking, 0, len(entries))
	var skipped []Skipped
	pinned := parsePin(opts.Usr)
	var parser subvol.Parser
	for _, entry := range entries {
		if !strings.HasPrefix(entry, string(subvol.Usr)+":") {
			continue
		}
		m, err := parser.Parse(entry)
		switch {
		case err != nil:
			skipped = append(skipped, Skipped{entry, errors.Unwrap(err).Error()})
		case m.Arch != arch:
			skipped = append(skipped, Skipped{entry, "other architecture (" + m.Arch + ")"})
		default:
			ranked = append(ranked, golden{entry, m.Vendor, m.Version, m.Tries, pinned.misfit(&m)})
		}
	}
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

// Fits says whether a golden master is what a pin, as freshroot.usr= has it, asks for.
func Fits(pinned string, m subvol.Member) bool {
	p := parsePin(pinned)
	return p.misfit(&m) == 0
}

// misfit says how badly a member fits: 0 not at all badly, 1 only the vendor does.
func (p *pin) misfit(m *subvol.Member) int {
	switch {
	case *p == pin{}, p.vendor == m.Vendor && p.version == m.Version,
		p.any != "" && (p.any == m.Vendor || p.any == m.Version):
		return 0
	case p.vendor == m.Vendor:
		return 1
	}
	return 2
}

func usrWarnings(usr Usr, rest ranking, opts Options) (warnings []string) {
	if !Fits(opts.Usr, usr.Member) {
		warnings = append(warnings, fmt.Sprintf(
			"freshroot.usr=%s cannot be booted: %s is booted instead", opts.Usr, usr.Entry))
	}
	if usr.Degraded {
		warnings = append(warnings, fmt.Sprintf(
			"%s never booted well, and there is nothing better", usr.Entry))
	}
	for _, g := range rest {
		if opts.Usr == "" && g.vendor != usr.Member.Vendor {
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
