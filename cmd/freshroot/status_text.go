package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// print shows a status to a person.
func (s bootStatus) print(w io.Writer, paint style) {
	row := func(title, format string, args ...any) {
		padding := fmt.Sprintf("%*s", 10-len(title), "")
		fmt.Fprintf(w, "%s%s%s\n", paint.title(title), padding, fmt.Sprintf(format, args...))
	}
	row("running", "%s", printable(s.Usr))
	row("", "%s%s", s.standing(paint), s.size().describe())
	if s.Pin != "" && volatile.Fits(s.Pin, s.member()) {
		row("", "pinned by freshroot.usr=%s", printable(s.Pin))
	}
	for _, skipped := range s.Skipped[:min(len(s.Skipped), maxShown)] {
		row("", "not %q: %s", skipped.Entry, skipped.Reason)
	}
	row("mode", "volatile=%s", s.Mode)
	if s.Instance != "" {
		row("instance", "%s", printable(s.Instance))
	}
	row("pool", "%s%s", s.Pool.Device, s.Space.describe())
	for i, p := range s.others() {
		row(titleOf(i, "others"), "%s  %s", printable(p.Name), p.describe(paint)+p.Size.describe())
	}
	for i, log := range s.Logs {
		row(titleOf(i, "log"), "freshroot log show %s", printable(log))
	}
	if s.Next != "" {
		row("next", "%s", printable(s.Next)+s.unless())
	}
	for i, request := range s.Pending {
		row(titleOf(i, "pending"), "%s", printable(request))
	}
	row("boot", "%s", s.timeline())
	for _, warning := range s.Warnings {
		row("warning", "%s", paint.warn(printable(warning)))
	}
}

// unless says who else may choose the next version.
func (s bootStatus) unless() string {
	if volatile.Pins(s.Pin, s.member()) {
		return ", unless the boot loader pins another"
	}
	return ""
}

// maxShown bounds the lists that are shown to people.
const maxShown = 20

// titleOf is the title of the first row of a list.
func titleOf(row int, title string) string {
	if row > 0 {
		return ""
	}
	return title
}

// standing says whether the version that runs has proven itself.
func (s bootStatus) standing(paint style) string {
	switch {
	case s.Blessed:
		return paint.good("blessed: it has booted well")
	case s.Degraded:
		return paint.bad("bad: it never booted well, and there was nothing better")
	case s.CountedBy == volatile.CountedByLoader:
		return paint.warn("on trial, counted by the boot loader")
	case s.CountedBy == "":
		return paint.warn("on trial, and this boot could not be counted")
	}
	return paint.warn(fmt.Sprintf("on trial until it is blessed: %d made, %d left",
		s.Tries.Done, s.Tries.Left))
}

// size is that of the version that runs, nil if it is not known.
func (s bootStatus) size() *memberSize {
	for _, p := range s.Members {
		if p.Running {
			return p.Size
		}
	}
	return nil
}

// others are the versions that do not run.
func (s bootStatus) others() (list []poolMember) {
	for _, p := range s.Members {
		if p.Kind == subvol.Usr && !p.Running && len(list) < maxShown {
			list = append(list, p)
		}
	}
	return list
}

// timeline says how long the boot took until the OS's init, and what of it took how long.
func (s bootStatus) timeline() string {
	if len(s.Phases) == 0 {
		return "not known"
	}
	last := s.Phases[len(s.Phases)-1]
	parts := []string{fmt.Sprintf("kernel %.2f", s.Phases[0].At)}
	for _, p := range s.Phases {
		parts = append(parts, fmt.Sprintf("%s %.2f", p.Name, p.Took))
	}
	return fmt.Sprintf("%.2f s to the OS's init (%s)", last.At+last.Took, strings.Join(parts, ", "))
}
