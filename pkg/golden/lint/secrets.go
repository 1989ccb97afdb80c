package lint

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/freshroot/freshroot/pkg/account"
	"github.com/freshroot/freshroot/pkg/golden"
)

// checkPasswords wants no password in the image: no hash, and none that is empty. An x
// in passwd says that it is in shadow.
func checkPasswords(t *tree) (found []Finding) {
	for s := range account.Shadows(string(t.text("etc/shadow"))) {
		if !s.Compat() {
			found = append(found, password("etc/shadow", s.Name, s.Password)...)
		}
	}
	for u := range account.Users(string(t.text("etc/passwd"))) {
		if u.Password != "x" && !u.Compat() {
			found = append(found, password("etc/passwd", u.Name, u.Password)...)
		}
	}
	return found
}

// password judges the field of one entry.
func password(file, name, field string) []Finding {
	f := Finding{
		Severity: Error, Path: file,
		What: fmt.Sprintf("%q has a password in the image", name),
		Why:  "it is the same on all machines, and its hash can be tried out at leisure",
		Do:   "lock it, as freshroot factory build does, and set one on each machine",
	}
	switch {
	case field == "":
		f.What = fmt.Sprintf("%q has an empty password", name)
		f.Why = "where PAM has nullok, as on Debian, anyone can log in"
	case !golden.IsPassword(field):
		return nil
	}
	return []Finding{f}
}

// checkMachine wants nothing in the factory that the builder of one would drop, and an
// empty ID. What is no secret may have been kept on purpose.
func checkMachine(t *tree) (found []Finding) {
	for _, f := range t.factory {
		rule := t.rules.Find(f.path, f.mode)
		if rule == nil {
			continue
		}
		finding := Finding{
			Severity: Note, Path: f.path,
			What: "is in the factory: " + rule.Why,
			Why:  "each machine that boots the image gets it",
			Do:   "remove it from the factory, as freshroot factory build does",
		}
		if rule.Secret {
			finding.Severity = Error
		}
		found = append(found, finding)
	}
	id := strings.TrimSpace(string(t.text("etc/machine-id")))
	if id != "" && id != "uninitialized" { // the word is systemd's for an empty one
		found = append(found, Finding{
			Severity: Error, Path: "etc/machine-id",
			What: "has an ID",
			Why:  "all machines would be the same one to DHCP and to the journal",
			Do:   "empty the file",
		})
	}
	return found
}

// secrets are what lines begin with that have a secret behind a "=" or a ":". Only well-
// known files are searched: the words are common ones.
var secrets = []struct{ glob, prefix string }{
	{"etc/wpa_supplicant/*.conf", "psk"},
	{"etc/NetworkManager/system-connections/*", "psk"},
	{"etc/netplan/*.yaml", "password"},
	{"etc/wireguard/*.conf", "PrivateKey"},
	{"etc/systemd/network/*.netdev", "PrivateKey"},
}

// maxHead is how much of a file is searched for a key, which begins with its header.
const maxHead = 64 << 10

// checkKeys searches the factory for private keys and passwords.
func checkKeys(t *tree) (found []Finding) {
	for _, f := range t.factory {
		if !f.mode.IsRegular() {
			continue
		}
		text, err := t.head(f.path, maxHead)
		if err != nil {
			found = append(found, Finding{
				Severity: Warning, Path: f.path,
				What: "cannot be read: " + cause(err),
				Why:  "it may have a secret", Do: "run this as root",
			})
			continue
		}
		if what := secretIn(f.path, text); what != "" {
			found = append(found, Finding{
				Severity: Error, Path: f.path,
				What: "has " + what,
				Why:  "whoever gets the image has it, and it is the same on all machines",
				Do:   "remove it from the factory, and make one on each machine",
			})
		}
	}
	return found
}

// secretIn says what secret a file has, or "".
func secretIn(name string, text []byte) string {
	if begin := bytes.Index(text, []byte("-----BEGIN ")); begin >= 0 {
		line, _, _ := bytes.Cut(text[begin:], []byte("\n"))
		if bytes.HasSuffix(bytes.TrimSpace(line), []byte("PRIVATE KEY-----")) {
			return "a private key"
		}
	}
	for _, s := range secrets {
		if ok, _ := path.Match(s.glob, name); ok && assigns(text, s.prefix) {
			return "a password or a key: " + s.prefix
		}
	}
	return ""
}

// assigns says that a line gives something a value, by a "=" or a ":".
func assigns(text []byte, key string) bool {
	for line := range bytes.Lines(text) {
		rest, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte(key))
		rest = bytes.TrimLeft(rest, " \t")
		if ok && len(rest) > 1 && (rest[0] == '=' || rest[0] == ':') {
			return true
		}
	}
	return false
}

// checkNamesUTF8 wants to have seen all.
func checkNamesUTF8(t *tree) (found []Finding) {
	for _, name := range t.unseen {
		found = append(found, Finding{
			Severity: Warning, Path: name,
			What: "has a name that is not UTF-8",
			Why:  "what it is was not looked at",
			Do:   "rename it, or look at it yourself",
		})
	}
	return found
}

// checkModes wants nothing that anyone may change, and no way to become root outside
// of /usr. What is setuid there is the vendor's choice, and each system has some.
func checkModes(t *tree) (found []Finding) {
	for _, f := range t.all() {
		if severity, what, why := oddity(f); severity != "" {
			found = append(found, Finding{
				Severity: severity, Path: f.path, What: what, Why: why,
				Do: "change its mode or its type, or remove it",
			})
		}
	}
	return found
}

// oddity says what is wrong with an inode; the severity is "" if nothing is. FIFOs are
// fine, as mail servers have them in /var.
func oddity(f file) (severity Severity, what, why string) {
	writable := f.mode.Perm()&0o002 != 0
	switch {
	case f.mode.Type()&(fs.ModeDevice|fs.ModeSocket) != 0:
		return Warning, "is a device node or a socket", "the running system makes these"
	case f.mode.IsRegular() && writable:
		return Error, "anyone may write to it", "what one user writes, others believe"
	case f.mode.IsDir() && writable && f.mode&fs.ModeSticky == 0:
		return Error, "anyone may replace the files in it", "it has no sticky bit"
	case f.mode.IsRegular() && f.mode&fs.ModeSetuid != 0:
		return Warning, "is setuid", "programs belong to /usr, where updates replace them"
	}
	return "", "", ""
}
