package keep

import (
	"fmt"
	"strings"
)

// Verdict says what becomes of a path in one event.
type Verdict struct {
	Event    string `json:"event"`
	Survives bool   `json:"survives"`
	Reason   string `json:"reason"` // a sentence without its full stop
	Rule     string `json:"rule,omitempty"`
	Where    string `json:"where,omitempty"` // file and line of the rule
}

// Why explains what becomes of an absolute path in each event. /var is fresh with
// volatile=state, all with volatile=yes; what is changed in an overlay is lost,
// whatever the rules say. yes are the rules that hold with volatile=yes, see Fresh.
func (rules Rules) Why(path string, yes Rules) []Verdict {
	parts := split(path)
	// The root itself has no first name, and is like what no line covers.
	top := append(parts, "")[0]
	for _, f := range forbidden {
		if top != "" && strings.Contains(" "+f.names+" ", " "+top+" ") {
			return outside(top, f.why)
		}
	}
	state := Verdict{"reboot, volatile=state", true, "only /var is fresh", "", ""}
	if top == "var" {
		state = rules.verdict(state.Event, path, Reboot)
	}
	update := Verdict{"update", true, "only /etc is merged", "", ""}
	if top == "etc" {
		update = rules.verdict(update.Event, path, Update)
	}
	return []Verdict{
		{"reboot, volatile=no", true, "all of the instance stays", "", ""},
		state,
		yes.verdict("reboot, volatile=yes", path, Reboot),
		{"reboot, volatile=overlay", false, "changes are lost with the overlay", "", ""},
		update,
		rules.verdict("factory reset", path, Reset),
	}
}

// outside is for what no rule can be about. /usr changes with an update only; what the
// kernel shows is new at each boot.
func outside(top, why string) []Verdict {
	stays := strings.HasPrefix(why, "belongs to the golden")
	var verdicts []Verdict
	for _, event := range []string{"reboot", "update", "factory reset"} {
		verdicts = append(verdicts, Verdict{
			Event: event, Survives: stays && event != "update",
			Reason: fmt.Sprintf("/%s %s", top, why),
		})
	}
	return verdicts
}

// meaning is what a scope does for a path that it is given to, or not.
var meaning = map[Scope][2]string{
	Reboot: {"it is fresh from the factory", "it is bound from the instance"},
	Update: {"the vendor's changes are merged into it", "the merge leaves it alone"},
	Reset:  {"it is fresh from the factory", "the reset spares it"},
}

// verdict asks the rules, and says so also where none of them is about the path.
func (rules Rules) verdict(event, path string, scope Scope) Verdict {
	yes, rule := rules.Survives(path, scope)
	v := Verdict{Event: event, Survives: yes, Reason: meaning[scope][0]}
	if yes {
		v.Reason = meaning[scope][1]
	}
	if rule.Pattern == "" {
		v.Reason += ", as no line covers it"
		return v
	}
	v.Rule, v.Where = rule.String(), rule.Where()
	return v
}
