package lint

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// documentation is often left out of images, and the links to it stay.
var documentation = []string{
	"usr/share/man/", "usr/share/doc/", "usr/share/info/", "usr/share/locale/",
}

// programs are missed more than other files.
var programs = []string{"usr/bin/", "usr/sbin/"}

// checkLinks follows the links of the factory, and those of /usr that lead into /etc
// or /var. A link of the factory that leads nowhere is common and mostly harmless, as
// packages link to what other packages may bring; one that comes back to itself is the
// mistake of copying an /etc that has links into the place that they lead to.
func checkLinks(t *tree) (found []Finding) {
	for _, f := range t.all() {
		if f.mode.Type() != fs.ModeSymlink || hasPrefix(absolute(f), documentation) ||
			t.made[f.path].Argument == f.target { // which checkTmpfiles reports
			continue
		}
		end, how := t.resolve(f.path)
		switch how {
		case loop:
			found = append(found, Finding{
				Severity: Error, Path: f.path,
				What: fmt.Sprintf("a link that leads back to itself, by %q", f.target),
				Why:  "no program can open it",
				Do:   "replace it in the factory by the file that it shall be",
			})
		case missing:
			finding := Finding{
				Severity: Note, Path: f.path,
				What: fmt.Sprintf("a link to %q, and there is no /%s", f.target, end),
				Why:  "whoever opens it fails",
				Do:   "remove the link, or add what it leads to",
			}
			if hasPrefix(f.path, programs) {
				finding.Severity = Warning
			}
			found = append(found, finding)
		}
	}
	return found
}

// hasPrefix says that s begins with one of the prefixes.
func hasPrefix(s string, prefixes []string) bool {
	begins := func(prefix string) bool { return strings.HasPrefix(s, prefix) }
	return slices.ContainsFunc(prefixes, begins)
}
