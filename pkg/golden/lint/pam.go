package lint

import (
	"io/fs"
	"path"
	"strings"

	"github.com/freshroot/freshroot/pkg/golden/pam"
)

// openByDesign are services that ask for no password by design: they log in a greeter,
// or the user that the administrator chose. Who may ask for them is not PAM's business.
var openByDesign = []string{
	"*autologin*", "*greeter*", "*launch-environment*", "*initial-setup*",
}

// pamDirs are where services are looked for, in the order in which they count.
var pamDirs = []string{factoryDir + "/etc/pam.d", "usr/lib/pam.d", "usr/share/pam.d"}

// checkPAM wants no service that lets anyone in, and some service where there is PAM.
func checkPAM(t *tree) (found []Finding) {
	seen := map[string]bool{}
	for _, dir := range pamDirs {
		entries, err := fs.ReadDir(t.fsys, dir)
		if err != nil {
			continue // most systems have only some of them
		}
		for _, e := range entries {
			if name := e.Name(); !e.IsDir() && !seen[name] {
				seen[name] = true
				found = append(found, t.pamService(path.Join(dir, name))...)
			}
		}
	}
	if len(seen) == 0 && t.hasPAM() {
		found = append(found, Finding{
			Severity: Error, Path: factoryDir + "/etc/pam.d",
			What: "PAM has no configuration",
			Why:  "nobody can log in",
			Do:   "add it to the factory",
		})
	}
	return found
}

// hasPAM says that programs of the tree may ask PAM who gets in.
func (t *tree) hasPAM() bool {
	for _, glob := range []string{"usr/lib*", "usr/lib/*"} { // the latter is multiarch
		if found, _ := fs.Glob(t.fsys, glob+"/security/pam_unix.so"); len(found) > 0 {
			return true
		}
	}
	return false
}

// pamService looks at the service that a file is for.
func (t *tree) pamService(file string) []Finding {
	service := path.Base(file)
	for _, glob := range openByDesign {
		if ok, _ := path.Match(glob, service); ok {
			return nil
		}
	}
	if !pam.LetsIn(service, t.pamFile) {
		return nil
	}
	return []Finding{{
		Severity: Error, Path: file,
		What: "lets in anyone, without a password",
		Why:  "no module that asks for one has a say in it",
		Do:   "let an auth line require pam_unix.so, or the last one pam_deny.so",
	}}
}

// pamFile reads a service, which an include may also name by its path.
func (t *tree) pamFile(service string) (string, bool) {
	if inner, ok := strings.CutPrefix(service, "/etc/pam.d/"); ok {
		service = inner
	}
	for _, dir := range pamDirs {
		name := path.Join(dir, service)
		if text, err := fs.ReadFile(t.fsys, name); err == nil {
			return string(text), true
		}
	}
	return "", false
}
