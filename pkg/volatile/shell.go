package volatile

import (
	"fmt"
	"slices"
	"strings"
)

// Breaks are the values of freshroot.break=: the phases of a boot after the one that reads
// the command line, and the kinds of steps.
var Breaks = append([]string{"devices", "pool", "pick", "root"}, kinds...)

// kinds are what [Kind] returns, in the order in which a boot may have them.
var kinds = []string{
	"watchdog", "grow", "remount", "count", "reset", "undo", "instantiate", "bind", "overlayroot",
	"tmpfs", "populate", "skeleton", "home", "keep", "identity", "sysusers", "tmpfiles",
	"volatileroot", "protect", "switch",
}

// Kind names what a step does in one word, for freshroot.break=: its type in small letters.
func Kind(s Step) string {
	_, name, _ := strings.Cut(fmt.Sprintf("%T", s), ".")
	return strings.ToLower(name)
}

// checkBreak warns of a step to break at that the plan does not have.
func (p Plan) checkBreak() []string {
	at := p.Options.Break
	isHere := func(s Step) bool { return Kind(s) == at }
	if !slices.Contains(kinds, at) || slices.ContainsFunc(p.Steps, isHere) {
		return nil
	}
	return []string{prefix + "break=" + at + " has no effect: this boot has no such step"}
}

// ForbidShell takes off the options what gives a shell, or may, for an initramfs that
// was built to give none. It returns a warning for each.
func (o *Options) ForbidShell() (warnings []string) {
	o.NoShell = true
	leaveOut := func(option *string, key string) {
		if *option != "" {
			warnings = append(warnings, key+"="+*option+
				" was left out: this initramfs was built to give no shell")
			*option = ""
		}
	}
	leaveOut(&o.Break, prefix+"break")
	// Any program of the OS may be a shell, or give one.
	leaveOut(&o.Init, "init")
	if o.OnFailure == "shell" {
		leaveOut(&o.OnFailure, prefix+"on-failure")
	}
	return warnings
}
