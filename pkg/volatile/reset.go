package volatile

import (
	"fmt"
	"strings"

	"github.com/freshroot/freshroot/pkg/cmdline"
	"github.com/freshroot/freshroot/pkg/reset"
)

// Reset throws away the state of an instance and begins anew with the factory of the
// version that is booted. What failed is told loudly, and does not end the boot.
type Reset struct {
	Instance string
	Scope    reset.Scope
	Why      []string // who asked for it
	Request  bool     // a request of the running system is fulfilled by it
	Firmware bool     // the firmware's is, too

	// Rest is the scope of those who ask besides the firmware, for when its request
	// cannot be taken from it.
	Rest reset.Scope
}

// Undo brings an old state of an instance back from the trash. Like a reset, it does not
// end the boot if it fails.
type Undo struct{ Instance, Entry string }

// String says what is thrown away, and names all who have asked for it.
func (s Reset) String() string {
	what := map[reset.Scope]string{reset.Var: "/var", reset.All: "all"}[s.Scope]
	return fmt.Sprintf("reset %s of instance %s, as %s asks for", what, s.Instance,
		strings.Join(s.Why, " and "))
}

// String names the entry of the trash.
func (s Undo) String() string {
	return fmt.Sprintf("bring back %s from the trash", s.Entry)
}

func readReset(o *Options, p cmdline.Param) ([]string, bool) {
	field := func(o *Options) *string { return (*string)(&o.Reset) }
	return readChoice(reset.Scopes, field)(o, p)
}

// readFactoryReset reads systemd's key, which also says that its variables do not count.
func readFactoryReset(o *Options, p cmdline.Param) ([]string, bool) {
	mode, ok := booleans[strings.ToLower(p.Value)]
	if !p.HasValue {
		mode, ok = Yes, true
	}
	if !ok {
		return []string{"no", "yes"}, false
	}
	o.FactoryReset = string(mode)
	return nil, true
}

// renewal decides whether an instance is reset, or gets an old state back, before it is
// booted. nil is neither. Where there is no instance yet, only the firmware counts: its
// request would else be honoured at a later boot, when there is something to lose.
func (f Facts) renewal(instance string, exists bool, g Golden) (
	step Step, warnings []string,
) {
	warnings = g.Warnings
	asks, err := f.Firmware.Asks(g.Release)
	if err != nil {
		warnings = append(warnings, err.Error()+": left out")
	}
	asks = asks && f.Options.FactoryReset != string(No)
	if !exists && !asks {
		return nil, warnings
	}
	r := Reset{Instance: instance, Scope: f.Options.Reset}
	if r.Scope != reset.None {
		r.Why = []string{"freshroot.reset=" + string(r.Scope)}
	}
	if f.Options.FactoryReset == string(Yes) {
		r.add(reset.All, "systemd.factory_reset=")
	}
	if asks {
		r.Why, r.Firmware = append(r.Why, "the firmware"), true
	}
	if g.Request.Reset != reset.None {
		r.add(g.Request.Reset, "freshroot reset")
		r.Request = true
	}
	if r.Rest = r.Scope; asks {
		r.Scope = reset.All
	}
	switch undo := g.Request.Undo; {
	case r.Scope == reset.None && undo == "":
		return nil, warnings
	case r.Scope == reset.None:
		return Undo{instance, undo}, warnings
	case undo != "":
		warnings = append(warnings, fmt.Sprintf(
			"%s is not brought back as long as %s asks for a reset",
			undo, strings.Join(r.Why, " and ")))
	}
	return r, warnings
}

// add adds somebody who asks for a reset; the largest one is done.
func (s *Reset) add(scope reset.Scope, why string) {
	s.Why = append(s.Why, why)
	if scope.Includes(s.Scope) {
		s.Scope = scope
	}
}

// renew makes the pool writable for a reset, in the modes that do not need it for
// anything else.
func (p Plan) renew(instantiate Step, g Golden) []Step {
	steps := []Step{p.renewal, instantiate}
	if p.Options.Mode == Yes || p.Options.Mode == Overlay {
		steps = append([]Step{Remount{Writable: true}}, steps...)
	}
	if p.Options.Mode == Overlay || p.Options.Mode == Yes && !g.Keeps {
		steps = append(steps, Remount{Writable: false})
	}
	return steps
}
