package volatile

import (
	"fmt"
	"io"
)

// maxListed bounds the lists that are made for people.
const maxListed = 20

// WriteText explains a plan to a person.
func (p Plan) WriteText(w io.Writer) {
	row := func(title, value string) { fmt.Fprintf(w, "%-10s %s\n", title, value) }
	row("pool", describePartition(p.Pool))
	row("kernel", p.kernel())
	row("would boot", p.Usr.Entry)
	p.Usr.writeOthers(w)
	row("mode", "volatile="+string(p.Options.Mode))
	row("instance", orNone(p.Instance))
	if p.Options.Break != "" {
		row("break", "a shell before "+p.Options.Break)
	}
	for _, warning := range p.Warnings {
		row("warning", warning)
	}
	fmt.Fprintln(w, "steps")
	for i, s := range p.Steps {
		fmt.Fprintf(w, "  %2d  %s\n", i+1, s)
	}
}

// kernel is the release that the golden master has to have modules for.
func (p Plan) kernel() string {
	if p.Kernel == "" {
		return "any: whether its modules are there was not looked at"
	}
	return p.Kernel
}

// writeOthers lists what was not picked.
func (u Usr) writeOthers(w io.Writer) {
	for _, s := range u.Skipped[:min(len(u.Skipped), maxListed)] {
		fmt.Fprintf(w, "  not %q: %s\n", s.Entry, s.Reason)
	}
	if more := len(u.Skipped) - maxListed; more > 0 {
		fmt.Fprintf(w, "  and %d more passed over\n", more)
	}
	if u.Older > 0 {
		fmt.Fprintf(w, "  %d more to fall back to\n", u.Older)
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// Clip shortens a list for a screen.
func Clip(lines []string) []string {
	if len(lines) <= maxListed {
		return lines
	}
	rest := fmt.Sprintf("... and %d more", len(lines)-maxListed)
	return append(lines[:maxListed:maxListed], rest)
}
