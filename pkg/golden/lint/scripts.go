package lint

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// remountsUsr matches a command that mounts /usr anew, with any options.
var remountsUsr = regexp.MustCompile(`^[^#]*\bmount\b[^#]*\bremount\b[^#]*\s/usr(\s|$)`)

// checkScripts wants no init script that mounts /usr anew, as mountall.sh of Debian's
// initscripts does: /usr is read-only, and the kernel takes that for the whole pool, with
// the instance in it.
func checkScripts(t *tree) (found []Finding) {
	for _, f := range t.factory {
		if path.Dir(f.path) != "etc/init.d" && path.Dir(f.path) != "etc/rc.d" || !f.mode.IsRegular() {
			continue
		}
		text, err := fs.ReadFile(t.fsys, path.Join(factoryDir, f.path))
		if err != nil {
			continue // checkKeys says so
		}
		number := 0
		for line := range strings.Lines(string(text)) {
			number++
			if !remountsUsr.MatchString(line) {
				continue
			}
			found = append(found, Finding{
				Severity: Warning, Path: f.path,
				What: fmt.Sprintf("line %d mounts /usr anew", number),
				Why:  "that makes the whole pool read-only, and a persistent root with it",
				Do:   "take the line out: the init has mounted /usr",
			})
		}
	}
	return found
}
