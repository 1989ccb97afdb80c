package machineid

import (
	"fmt"
	"strings"

	"github.com/freshroot/freshroot/pkg/cmdline"
)

// Hostname returns what the machine is called: by the kernel command line, which has
// systemd's key and, since Linux 5.19, the kernel's own, or else by the text of
// /etc/hostname. It is "" where none of them has a valid name.
func Hostname(params cmdline.Params, etc string) (name, warning string) {
	for _, key := range []string{"systemd.hostname", "hostname"} {
		p, ok := params.Last(key)
		// One that is not valid is as if it were not there, as in systemd.
		switch {
		case ok && ValidHostname(p.Value):
			return p.Value, warning
		case ok:
			warning = fmt.Sprintf("%s=%q is ignored: it is not valid", key, p.Value)
		}
	}
	for line := range strings.Lines(etc) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if !ValidHostname(line) {
			return "", fmt.Sprintf("/etc/hostname is ignored: %q is not valid", line)
		}
		return line, warning
	}
	return "", warning
}

// ValidHostname says whether systemd takes a name: labels of letters, digits and
// hyphens, none at their ends, 64 bytes in all. A dot may follow if there is another.
func ValidHostname(name string) bool {
	const longest = 64 // the kernel's
	if len(name) > longest {
		return false
	}
	// The dot that ends a full name; a single label is no full name.
	if full, ok := strings.CutSuffix(name, "."); ok {
		if !strings.Contains(full, ".") {
			return false
		}
		name = full
	}
	for label := range strings.SplitSeq(name, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

// isLabel is for the part of a name between dots. It looks at bytes: what is not ASCII is
// none of a hostname.
func isLabel(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20 // a letter in lower case; nothing else becomes one
		if (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') && s[i] != '-' {
			return false
		}
	}
	return s != "" && s[0] != '-' && s[len(s)-1] != '-'
}
