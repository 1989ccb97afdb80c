package volatile

import (
	"strings"
	"unicode/utf8"
)

// Screen renders a failure for a console: what went wrong, what was looked at, what
// to do, and what happens next.
func (f *Failure) Screen(kernel, cmdline, next string) []string {
	lines := []string{"", "freshroot cannot boot this machine", ""}
	lines = append(lines, indent(f.What)...)
	if f.Err != nil {
		lines = append(lines, indent("("+f.Err.Error()+")")...)
	}
	lines = section(lines, "Looked at:", f.Seen)
	lines = section(lines, "What to do:", f.Do)
	lines = section(lines, "Booted with:", []string{"kernel " + kernel, cmdline})
	return append(lines, "", next, "")
}

func section(lines []string, title string, content []string) []string {
	if len(content) == 0 {
		return lines
	}
	lines = append(lines, "", title)
	for _, line := range Clip(content) {
		lines = append(lines, indent(line)...)
	}
	return lines
}

// indent wraps a line at the width of a console. What is in it may come from a
// disk, so nothing that moves the cursor gets through.
func indent(line string) []string {
	const width = 76
	line = strings.Map(printable, line)
	var wrapped []string
	for len(line) > width {
		cut := strings.LastIndexByte(line[:width], ' ')
		if cut < width/2 {
			for cut = width; !utf8.RuneStart(line[cut]); cut-- {
			}
		}
		wrapped = append(wrapped, "  "+line[:cut])
		line = "  " + strings.TrimLeft(line[cut:], " ")
	}
	return append(wrapped, "  "+line)
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return '?'
	}
	return r
}
