package lint

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/freshroot/freshroot/pkg/golden/rules"
	"github.com/freshroot/freshroot/pkg/tmpfiles"
)

// newTree makes a tree of links ("path -> target") and files, and of lines.
func newTree(t *testing.T, entries []string, lines ...tmpfiles.Line) *tree {
	t.Helper()
	fsys := fstest.MapFS{}
	for _, e := range entries {
		name, target, link := strings.Cut(e, " -> ")
		file := &fstest.MapFile{Mode: 0o644}
		if link {
			file = &fstest.MapFile{Mode: fs.ModeSymlink | 0o777, Data: []byte(target)}
		}
		fsys[name] = file
	}
	set, err := rules.New(rules.Machine, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]tmpfiles.Line{}
	for _, l := range lines {
		made[strings.TrimPrefix(l.Path, "/")] = l
	}
	return &tree{fsys: fsys, rules: set, made: made}
}

func TestResolve(t *testing.T) {
	const share = "usr/share/factory/"
	tree := newTree(t, []string{
		"usr/lib/file", "usr/bin/tool -> ../lib/file", "usr/bin/abs -> /lib/file",
		"usr/bin/self -> self", "usr/bin/alt -> /etc/alternatives/x",
		"usr/bin/run -> /run/x", "usr/bin/up -> ../../../../usr/lib/file",
		share + "etc/alternatives/x -> /bin/tool", share + "etc/a -> b", share + "etc/b -> a",
		share + "etc/dir -> /usr/lib", share + "etc/gone -> /usr/gone", share + "etc/file",
		share + "var/log -> ../etc",
	},
		tmpfiles.Line{Type: 'L', Path: "/etc/linked", Argument: "../usr/lib/file"},
		tmpfiles.Line{Type: 'L', Path: "/etc/circle", Argument: "circle"},
		tmpfiles.Line{Type: 'C', Path: "/etc/copied", Argument: "/usr/lib/file"},
		tmpfiles.Line{Type: 'C', Path: "/etc/uncopied", Argument: "/usr/share/factory/etc/no"},
		tmpfiles.Line{Type: 'd', Path: "/var/lib"},
	)
	for name, want := range map[string]struct {
		at  string
		how end
	}{
		"usr/lib/file": {"usr/lib/file", exists}, "usr/bin/tool": {"usr/lib/file", exists},
		"usr/bin/abs": {"usr/lib/file", exists}, "bin/tool": {"usr/lib/file", exists},
		"usr/bin/alt": {"usr/lib/file", exists}, "usr/bin/up": {"usr/lib/file", exists},
		"usr/bin/self": {"usr/bin/self", loop}, "etc/a": {"etc/b", loop},
		"usr/bin/run": {"run", unknown}, "proc/self": {"proc", unknown},
		"etc/dir/file": {"usr/lib/file", exists}, "etc/gone": {"usr/gone", missing},
		"etc/dir/../lib/file": {"usr/lib/file", exists}, // beside what the link leads to
		"var/log/file":        {"etc/file", exists}, "etc/none": {"etc/none", missing},
		"etc/linked": {"usr/lib/file", exists}, "etc/circle": {"etc/circle", loop},
		"etc/copied": {"usr/lib/file", exists}, "etc/uncopied": {"etc/no", missing},
		"var/lib": {"var/lib", exists}, "var/lib/x": {"var/lib/x", missing},
		"etc/machine-id": {"etc/machine-id", unknown}, "etc/hostname": {"etc/hostname", unknown},
		"etc": {"etc", exists}, "../..": {".", exists},
	} {
		at, how := tree.resolve(name)
		if at != want.at && how == exists || how != want.how {
			t.Errorf("%q leads to %q, %d, want %q, %d", name, at, how, want.at, want.how)
		}
	}
}

// Copies that are each other's source are no reason to look for ever.
func TestResolveCopies(t *testing.T) {
	tree := newTree(t, nil,
		tmpfiles.Line{Type: 'C', Path: "/etc/a", Argument: "/etc/b"},
		tmpfiles.Line{Type: 'C', Path: "/etc/b", Argument: "/etc/a"},
	)
	if _, how := tree.resolve("etc/a"); how != loop {
		t.Errorf("copies of each other: %d, want %d", how, loop)
	}
}

func TestSecretIn(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"etc/x", "", ""},
		{"etc/x", "-----BEGIN OPENSSH PRIVATE KEY-----\nabc", "a private key"},
		{"etc/x", "bag\n-----BEGIN ENCRYPTED PRIVATE KEY-----  \r\n", "a private key"},
		{"etc/x", "-----BEGIN PUBLIC KEY-----\n", ""},
		{"etc/x", "-----BEGIN ", ""},
		{"etc/x", "psk=secret", ""},
		{"etc/wpa_supplicant/a.conf", "\tpsk=\"secret\"", "a password or a key: psk"},
		{"etc/wpa_supplicant/a.conf", "# psk=\"secret\"\npskx=1\npsk=\n", ""},
		{"etc/netplan/a.yaml", "  password: secret\n", "a password or a key: password"},
	} {
		if got := secretIn(test.name, []byte(test.text)); got != test.want {
			t.Errorf("%s, %q: %q, want %q", test.name, test.text, got, test.want)
		}
	}
}

// Whatever links say, following them ends, and where it ends is a path of the tree.
func FuzzResolve(f *testing.F) {
	f.Add("../usr/a", "/etc/b", "b/../a")
	f.Add("/", "..", ".")
	f.Add("a/b/c", "../../../../x", "/usr//b/")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if a == "" || b == "" || c == "" || !utf8.ValidString(a+"/"+b+"/"+c) {
			return // no link is empty, and an fs.FS has no other names
		}
		tree := newTree(t, []string{
			"usr/a -> " + a, "usr/share/factory/etc/b -> " + b, "usr/share/factory/var/c -> " + c,
		})
		for _, name := range []string{"usr/a", "etc/b", "var/c"} {
			at, how := tree.resolve(name)
			if !fs.ValidPath(at) {
				t.Errorf("%q ends at %q, %d", name, at, how)
			}
		}
	})
}
