// Package keep says which files outlive a reboot, an update or a factory reset.
//
// The lines of /usr/lib/freshroot/keep.d/*.conf and its counterparts below /etc, /run
// and /usr/local/lib are a path and scopes:
//
//	/etc/ssh/ssh_host_*       update reset
//	/var/lib/bluetooth/       reboot reset
//	!/etc/ssh/ssh_host_dsa_*  reset
//
// A path covers what is beneath it. It may have *, ? and [...] as path.Match has
// them, and ** for any number of directories; quotes protect spaces. A "/" at its end
// says that it is a directory, which is made if it is not there. A "!" in front takes
// scopes back, all if none is named. For each scope, the last line that names it and
// covers a path decides about the path. The lines that are built in come before all
// others.
//
// A path is refused that is relative, has "..", is the root, or is in /usr, in a
// directory that is a link into /usr, or where the kernel shows what it knows. A line
// that is refused is reported with its file and line; the others hold.
//
// The package is pure: what the rules mean for a tree is in keep/bind.
package keep

import (
	"fmt"
	"slices"
	"strings"
)

// Scope is a set of events that a path survives.
type Scope uint8

// The scopes.
const (
	Reboot Scope = 1 << iota // though volatile= throws / or /var away
	Update                   // nothing is merged into it when the version changes
	Reset                    // the factory reset spares it
)

const all = Reboot | Update | Reset

// scopes are the words for the scopes, in the order in which they are printed.
var scopes = []struct {
	word  string
	scope Scope
}{{"reboot", Reboot}, {"update", Update}, {"reset", Reset}}

// String returns the words of the list for the scopes: "update reset".
func (s Scope) String() string {
	var words []string
	for _, known := range scopes {
		if s&known.scope != 0 {
			words = append(words, known.word)
		}
	}
	return strings.Join(words, " ")
}

// Rule is one line.
type Rule struct {
	Pattern string // absolute, without a slash at its end
	Dir     bool   // it had one: a directory
	Cancel  bool   // takes the scopes back
	Scopes  Scope
	File    string // where the line is; "" if it is built in
	Line    int
}

// Where tells a person where the rule comes from.
func (r Rule) Where() string {
	if r.File == "" {
		return "built in"
	}
	return fmt.Sprintf("%s:%d", r.File, r.Line)
}

// Gives says whether the rule asks for a scope, as opposed to taking it back.
func (r Rule) Gives(scope Scope) bool { return !r.Cancel && r.Scopes&scope != 0 }

// Literal says whether the rule names one path, not a pattern.
func (r Rule) Literal() bool { return !strings.ContainsAny(r.Pattern, `*?[\`) }

// String is the rule as a line.
func (r Rule) String() string {
	text := r.Pattern
	if r.Cancel {
		text = "!" + text
	}
	if r.Dir {
		text += "/"
	}
	if strings.ContainsAny(text, " \t") {
		text = `"` + text + `"`
	}
	return text + " " + r.Scopes.String()
}

// Rules are in the order of their precedence: a later one wins.
type Rules []Rule

// Defaults are the rules that are built in: what makes a machine the one that others
// know. They do not survive a reboot with volatile=yes, which promises that not a byte
// of the disk changes; the vendor may add a line that gives this up.
func Defaults() Rules {
	return Rules{
		{Pattern: "/etc/machine-id", Scopes: Update | Reset},
		{Pattern: "/etc/ssh/ssh_host_*", Scopes: Update | Reset},
	}
}

// Needs says whether a rule asks for a scope, so that somebody has to look.
func (rules Rules) Needs(scope Scope) bool {
	return slices.ContainsFunc(rules, func(r Rule) bool { return r.Gives(scope) })
}

// Survives says whether an absolute path survives an event, and which rule decides.
// The zero Rule stands for none.
//
// A directory that survives a reboot is bound as a whole: a rule for something
// beneath cannot take that back.
func (rules Rules) Survives(path string, scope Scope) (bool, Rule) {
	parts := split(path)
	if scope == Reboot {
		for n := 1; n < len(parts); n++ {
			if yes, rule := rules.decide(parts[:n], scope); yes {
				return true, rule
			}
		}
	}
	return rules.decide(parts, scope)
}

func (rules Rules) decide(path []string, scope Scope) (bool, Rule) {
	for _, r := range slices.Backward(rules) {
		if r.Scopes&scope != 0 && r.covers(path) {
			return !r.Cancel, r
		}
	}
	return false, Rule{}
}
