package shipped_test

import (
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/golden/shipped"
)

func files(texts map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range texts {
		fsys[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return fsys
}

func broken(problems []shipped.Problem) (places []string) {
	for _, p := range problems {
		places = append(places, fmt.Sprintf("%s:%d %t", p.File, p.Line, p.Err != nil))
	}
	return places
}

// Lines come in the order in which they count; those of the administrator, masked
// ones, and those that need a running system do not come.
func TestTmpfiles(t *testing.T) {
	lines, problems, err := shipped.Tmpfiles(files(map[string]string{
		"etc/tmpfiles.d/admin.conf":       "d /var/admin",
		"usr/lib/tmpfiles.d/b.conf":       "# comment\nC! /etc/b\nd %S/x 0755 u :g\nd /var/%m\nd /x/%!\nd /x/%z\n",
		"usr/lib/tmpfiles.d/a.conf":       "L /etc/a - - - - ../b\\x20c\nf^ /etc/hosts - - - - hosts\n",
		"usr/lib/tmpfiles.d/other.txt":    "d /other",
		"usr/lib/tmpfiles.d/m.conf":       "d /masked",
		"usr/local/lib/tmpfiles.d/m.conf": "",
		"usr/local/lib/tmpfiles.d/c.conf": "nonsense\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range lines {
		got = append(got, fmt.Sprintf("%s:%d %c %s %s %s %s",
			l.File, l.Number, l.Type, l.Path, l.User.Name, l.Group.Name, l.Argument))
	}
	want := []string{
		"usr/lib/tmpfiles.d/a.conf:1 L /etc/a   ../b c",
		"usr/lib/tmpfiles.d/b.conf:2 C /etc/b   /usr/share/factory/etc/b",
		"usr/lib/tmpfiles.d/b.conf:3 d /var/lib/x u g ",
		"usr/lib/tmpfiles.d/b.conf:5 d /x/%!   ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	want = []string{"usr/lib/tmpfiles.d/b.conf:6 true", "usr/local/lib/tmpfiles.d/c.conf:1 true"}
	if diff := cmp.Diff(want, broken(problems)); diff != "" {
		t.Errorf("broken (-want +got):\n%s", diff)
	}
}

func TestSysusers(t *testing.T) {
	lines, problems, err := shipped.Sysusers(files(map[string]string{
		"usr/lib/sysusers.d/b.conf": "\n# comment\nu svc - \"A service\" /var/lib/svc\ng mail 8\nm svc mail\nu! locked 100:mail\nr - 500-900\n",
		"usr/lib/sysusers.d/a.conf": "u root 0\nu 1bad: 5\nq x\ng \"open\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := []shipped.Sysuser{
		{"usr/lib/sysusers.d/a.conf", 1, 'u', "root", "0"},
		{"usr/lib/sysusers.d/b.conf", 3, 'u', "svc", ""},
		{"usr/lib/sysusers.d/b.conf", 4, 'g', "mail", "8"},
		{"usr/lib/sysusers.d/b.conf", 5, 'm', "svc", "mail"},
		{"usr/lib/sysusers.d/b.conf", 6, 'u', "locked", "100:mail"},
		{"usr/lib/sysusers.d/b.conf", 7, 'r', "-", "500-900"},
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if got := lines[2].Place(); got != "usr/lib/sysusers.d/b.conf:4" {
		t.Errorf("place: %s", got)
	}
	bad := []string{
		"usr/lib/sysusers.d/a.conf:2 true", "usr/lib/sysusers.d/a.conf:3 true", "usr/lib/sysusers.d/a.conf:4 true",
	}
	if diff := cmp.Diff(bad, broken(problems)); diff != "" {
		t.Errorf("broken (-want +got):\n%s", diff)
	}
}

// A directory with the name of a file does not hide the other files.
func TestUnreadable(t *testing.T) {
	fsys := files(map[string]string{
		"usr/lib/tmpfiles.d/a.conf/x": "", "usr/lib/tmpfiles.d/b.conf": "d /b\n",
	})
	lines, problems, err := shipped.Tmpfiles(fsys)
	if len(lines) != 1 || err != nil {
		t.Errorf("lines %v, error %v", lines, err)
	}
	if diff := cmp.Diff([]string{"usr/lib/tmpfiles.d/a.conf:0 true"}, broken(problems)); diff != "" {
		t.Errorf("broken (-want +got):\n%s", diff)
	}
}

// A tree without any has no lines.
func TestNone(t *testing.T) {
	fsys := files(map[string]string{"usr/bin/sh": ""})
	lines, problems, err := shipped.Tmpfiles(fsys)
	if len(lines) > 0 || len(problems) > 0 || err != nil {
		t.Errorf("tmpfiles.d: %v, %v, %v", lines, problems, err)
	}
	users, problems, err := shipped.Sysusers(fsys)
	if len(users) > 0 || len(problems) > 0 || err != nil {
		t.Errorf("sysusers.d: %v, %v, %v", users, problems, err)
	}
}
