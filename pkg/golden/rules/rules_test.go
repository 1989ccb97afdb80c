package rules_test

import (
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/pkg/golden/rules"
)

func newSet(t *testing.T, drop, keep []string) *rules.Set {
	t.Helper()
	s, err := rules.New(rules.Machine, drop, keep)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTable(t *testing.T) {
	set := newSet(t, nil, nil)
	for name, want := range map[string]bool{
		"etc/hostname": true, "etc/hosts": false,
		"etc/ssh/ssh_host_rsa_key": true, "etc/ssh/ssh_host_rsa_key.pub": true,
		"etc/ssh/sshd_config": false, "etc/ssh/moduli": false,
		"etc/passwd": false, "etc/passwd-": true, "etc/shadow": false, "etc/shadow-": true,
		"etc/ld.so.cache": false, "etc/nsswitch.conf": false, "etc/mtab": false,
		"etc/apache2/a.conf~": true, "etc/a~": true, "etc/a~b": false,
		"etc/default/grub.dpkg-old": true, "etc/dpkg/dpkg.cfg": false,
		"etc/x/.a.swp": true, "etc/x/.a.conf": false, "etc/pam.d/login.rpmnew": true,
		"etc/udev/rules.d/70-persistent-net.rules": true,
		"etc/udev/rules.d/70-mine.rules":           false,
		"var/log/syslog":                           true, "var/log/apt/term.log": true,
		"var/cache/man/de/index.db": true, "var/lib/apt/lists/x_Packages": true,
		"var/lib/dpkg/status": false, "var/lib/dpkg/status-old": true,
		"var/lib/dpkg/info/a.list": false, "var/tmp/x": true, "var/tmp": false,
		"var/lib/systemd/random-seed": true, "var/lib/systemd/catalog/database": false,
		"var/lib/private": false, "var/lib/private/x": true, "var/backups/shadow.bak": true,
	} {
		if got := set.Find(name, 0) != nil; got != want {
			t.Errorf("%q is dropped: %t, want %t", name, got, want)
		}
	}
}

// Every rule has a reason, and globs that are well-formed and in /etc or /var.
func TestTableIsSound(t *testing.T) {
	for _, rule := range append(rules.Packages, rules.Machine...) {
		if rule.Why == "" || len(rule.Globs) == 0 {
			t.Errorf("rule without a reason or without globs: %+v", rule)
		}
		if _, err := rules.New(nil, rule.Globs, nil); err != nil {
			t.Error(err)
		}
		for _, glob := range rule.Globs {
			if glob != path.Clean(glob) {
				t.Errorf("glob %q never matches", glob)
			}
		}
	}
}

func TestFilesOnly(t *testing.T) {
	set := newSet(t, nil, nil)
	for _, test := range []struct {
		name string
		mode fs.FileMode
		want bool
	}{
		{"etc/resolv.conf", 0o644, true},
		{"etc/resolv.conf", fs.ModeSymlink | 0o777, false},
		{"var/log/apt", fs.ModeDir | 0o755, false},
		{"var/log", fs.ModeDir | 0o755, false},
		{"var/cloud", fs.ModeDir | 0o755, false},
		{"var/lib/cloud/instance", fs.ModeDir | 0o755, true},
	} {
		if got := set.Find(test.name, test.mode) != nil; got != test.want {
			t.Errorf("%q with mode %v is dropped: %t, want %t", test.name, test.mode, got, test.want)
		}
	}
}

func TestKeep(t *testing.T) {
	set := newSet(t, []string{"/etc/apt/", "**/secret"}, []string{"var/lib/cloud/seed/*", "/etc/hostname"})
	for name, want := range map[string]bool{
		"etc/apt": true, "etc/secret": true, "var/lib/a/secret": true, "etc/apt2": false,
	} {
		if got := set.Find(name, 0) != nil; got != want {
			t.Errorf("%q is dropped: %t, want %t", name, got, want)
		}
	}
	for name, want := range map[string]bool{
		"etc/hostname": true, "var/lib/cloud/seed/x": true, "var/lib/cloud/seed": false,
	} {
		if got := set.Keeps(name); got != want {
			t.Errorf("%q is kept: %t, want %t", name, got, want)
		}
	}
	for name, want := range map[string]bool{
		"var/lib/cloud": true, "var/lib/cloud/seed": true, "var/lib/dpkg": false,
		"var/lib/cloud/seed/x": false, "etc": true,
	} {
		if got := set.KeepsBelow(name); got != want {
			t.Errorf("something below %q is kept: %t, want %t", name, got, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, glob := range []string{"", "/", "etc/[", "usr/bin/x", "etc/../usr", "../etc", "etc//x", "home/*"} {
		_, errDrop := rules.New(nil, []string{glob}, nil)
		_, errKeep := rules.New(nil, nil, []string{glob})
		if errDrop == nil || errKeep == nil {
			t.Errorf("%q is taken: %v, %v", glob, errDrop, errKeep)
		}
	}
}

// Whatever the glob and the path: a path is matched below what KeepsBelow says, and
// nothing panics.
func FuzzGlob(f *testing.F) {
	f.Add("etc/**/*~", "etc/a/b~")
	f.Add("var/**", "var/lib/x")
	f.Add("**/[a-c]?", "etc/bx")
	f.Fuzz(func(t *testing.T, glob, name string) {
		if strings.Count(glob, "**") > 4 || len(name) > 200 || !fs.ValidPath(name) {
			return
		}
		set, err := rules.New(nil, nil, []string{glob})
		if err != nil || !set.Keeps(name) {
			return
		}
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if !set.KeepsBelow(dir) {
				t.Fatalf("%q keeps %q and nothing below %q", glob, name, dir)
			}
		}
	})
}
