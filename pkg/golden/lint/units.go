package lint

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// unitDir is where the vendor's units of systemd are.
const unitDir = "usr/lib/systemd/system"

// units calls f for the text of each service. Not every system has systemd.
func (t *tree) units(f func(name, text string)) {
	entries, err := fs.ReadDir(t.fsys, unitDir)
	if err != nil {
		return
	}
	for _, e := range entries {
		name := path.Join(unitDir, e.Name())
		if path.Ext(name) != ".service" || !e.Type().IsRegular() {
			continue
		}
		if text, err := fs.ReadFile(t.fsys, name); err == nil {
			f(name, string(text))
		}
	}
}

// checkUnits wants the users and groups of services. With DynamicUser= systemd makes
// them itself.
func checkUnits(t *tree) (found []Finding) {
	known := map[string]func(string) bool{"User": t.knowsUser, "Group": t.knowsGroup}
	t.units(func(name, text string) {
		if strings.Contains(text, "\nDynamicUser=yes") {
			return
		}
		for line := range strings.Lines(text) {
			key, who, _ := strings.Cut(strings.TrimSpace(line), "=")
			if known[key] == nil || runsAs(who, known[key]) {
				continue
			}
			found = append(found, Finding{
				Severity: Warning, Path: name,
				What: fmt.Sprintf("runs as %q, whom nobody makes", who),
				Why:  "systemd cannot start the service",
				Do:   "add a line to sysusers.d",
			})
		}
	})
	return found
}

// runsAs says whether a name is known, or cannot be known before the unit starts.
func runsAs(who string, known func(string) bool) bool {
	return who == "" || strings.Contains(who, "%") || known(who)
}

// checkHostKeys wants somebody to make the keys of an SSH server. Debian 12 makes them
// when the package is installed, and then never again.
func checkHostKeys(t *tree) []Finding {
	good := !t.has("usr/sbin/sshd") && !t.has("usr/bin/sshd")
	t.units(func(_, text string) {
		good = good || strings.Contains(text, "ssh-keygen")
	})
	if good {
		return nil
	}
	return []Finding{{
		Severity: Warning, Path: "etc/ssh",
		What: "no service makes the host keys",
		Why:  "the SSH server does not start without, and an image must not have them",
		Do:   "ship a unit that runs ssh-keygen -A before the server",
	}}
}
