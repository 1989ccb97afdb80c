package keep_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/keep"
)

func parse(t *testing.T, text string) keep.Rules {
	t.Helper()
	rules, problems := keep.Parse("f", text)
	if problems != nil {
		t.Fatal(problems)
	}
	return rules
}

func texts(problems []error) (lines []string) {
	for _, err := range problems {
		lines = append(lines, err.Error())
	}
	return lines
}

func TestParse(t *testing.T) {
	rules := parse(t, `
# a comment
; another

/etc/machine-id reboot
/var/lib/bluetooth/	reset   reboot
!/etc/ssh
!/etc/ssh/ssh_host_dsa_* reset
"/srv/my files/" reset update reboot
/home/**/.ssh/[a-z]?[^x] update
/etc//x/./y update`)
	want := keep.Rules{
		{Pattern: "/etc/machine-id", Scopes: keep.Reboot, File: "f", Line: 5},
		{Pattern: "/var/lib/bluetooth", Dir: true, Scopes: keep.Reboot | keep.Reset, File: "f", Line: 6},
		{Pattern: "/etc/ssh", Cancel: true, Scopes: keep.Reboot | keep.Update | keep.Reset, File: "f", Line: 7},
		{Pattern: "/etc/ssh/ssh_host_dsa_*", Cancel: true, Scopes: keep.Reset, File: "f", Line: 8},
		{Pattern: "/srv/my files", Dir: true, Scopes: keep.Reboot | keep.Update | keep.Reset, File: "f", Line: 9},
		{Pattern: "/home/**/.ssh/[a-z]?[^x]", Scopes: keep.Update, File: "f", Line: 10},
		{Pattern: "/etc/x/y", Scopes: keep.Update, File: "f", Line: 11},
	}
	if diff := cmp.Diff(want, rules); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseRefuses(t *testing.T) {
	var text, want strings.Builder
	for i, tc := range [][2]string{
		{"/usr/lib/x reset", `path "/usr/lib/x" belongs to the golden master`},
		{"/etc/../usr/x reset", `path "/etc/../usr/x" has ".."`},
		{"//usr reset", `path "//usr" belongs to the golden master`},
		{"/lib64/x reset", `path "/lib64/x" belongs to the golden master`},
		{"/run/x reset", `path "/run/x" belongs to the running kernel`},
		{"!/proc/x", `path "/proc/x" belongs to the running kernel`},
		{"/sys reset", `path "/sys" belongs to the running kernel`},
		{"/dev/x reset", `path "/dev/x" belongs to the running kernel`},
		{"etc/x reset", `path "etc/x" is relative`},
		{"reset", `path "reset" is relative`},
		{"/var/ reboot reset", `path "/var/" is what a reset throws away: name what is in it`},
		{"/etc reset", `path "/etc" is what a reset throws away: name what is in it`},
		{"/ reset", `path "/" is the root, of which all would be kept`},
		{"/./ reset", `path "/./" is the root, of which all would be kept`},
		{"/* reset", `path "/*" begins with a pattern, which would match /usr`},
		{"/[u]sr reset", `path "/[u]sr" begins with a pattern, which would match /usr`},
		{"/etc/x", "no scope, known are reboot update reset"},
		{"/etc/x resett", `scope "resett" is not known, known are reboot update reset`},
		{"/etc/x reset reset reset reset", "too many words"},
		{"/etc/x reset reset reset reset reset", "too many words"},
		{"/etc/[a reset", `path "/etc/[a" has a bad pattern`},
		{"/etc/[!a] reset", `path "/etc/[!a]" has [!...]: write [^...]`},
		{"/etc/a** reset", `path "/etc/a**" has ** beside other characters`},
		{"/etc/\x00 reset", `path "/etc/\x00" has a zero byte`},
		{"/" + strings.Repeat("a", 4096) + " reset", `is longer than 4096 bytes`},
	} {
		fmt.Fprintln(&text, tc[0])
		fmt.Fprintf(&want, "f:%d: %s\n", i+1, tc[1])
	}
	rules, problems := keep.Parse("f", text.String()+"/etc/good update")
	if len(rules) != 1 || rules[0].Pattern != "/etc/good" {
		t.Errorf("rules %v, want the good one", rules)
	}
	got := strings.Join(texts(problems), "\n") + "\n"
	got = strings.ReplaceAll(got, `path "/`+strings.Repeat("a", 4096)+`" `, "")
	if diff := cmp.Diff(want.String(), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSurvives(t *testing.T) {
	rules := append(keep.Defaults(), parse(t, `
/var/lib/a/ reboot reset
!/var/lib/a/cache
/var/lib/b/ reboot
!/var/lib/b
/var/**/deep reset
/home/*/.ssh/id_? reset
/etc/conf.d update
!/etc/conf.d/x update
/etc/conf.d/x/y update
`)...)
	for _, tc := range []struct {
		path  string
		scope keep.Scope
		want  string // the line that says yes; "!" and the line that says no; or ""
	}{
		{"/etc/machine-id", keep.Update, "built in"},
		{"/etc/machine-id", keep.Reset, "built in"},
		{"/etc/machine-id", keep.Reboot, ""},
		{"/etc/machine-id2", keep.Reset, ""},
		{"/etc", keep.Reset, ""},
		{"/", keep.Reset, ""},
		{"/etc/ssh/ssh_host_rsa_key.pub", keep.Reset, "built in"},
		{"/etc/ssh/sshd_config", keep.Reset, ""},
		{"/var/lib/a", keep.Reboot, "f:2"},
		{"/var/lib/a/", keep.Reboot, "f:2"},
		{"/var/lib/a/x/y", keep.Reset, "f:2"},
		{"/var/lib/a/cache/y", keep.Reset, "!f:3"},
		{"/var/lib/a/cache/y", keep.Reboot, "f:2"}, // bound as a whole
		{"/var/lib/b/x", keep.Reboot, "!f:5"},
		{"/var/deep", keep.Reset, "f:6"},
		{"/var/x/y/deep/z", keep.Reset, "f:6"},
		{"/var/x/y/deeper", keep.Reset, ""},
		{"/home/ada/.ssh/id_x", keep.Reset, "f:7"},
		{"/home/a/b/.ssh/id_x", keep.Reset, ""},
		{"/home/ada/.ssh/id_xx", keep.Reset, ""},
		{"/etc/conf.d/z", keep.Update, "f:8"},
		{"/etc/conf.d/x/z", keep.Update, "!f:9"},
		{"/etc/conf.d/x/y", keep.Update, "f:10"},
	} {
		yes, rule := rules.Survives(tc.path, tc.scope)
		got := ""
		if rule.Pattern != "" {
			got = rule.Where()
			if !yes {
				got = "!" + got
			}
		}
		if got != tc.want {
			t.Errorf("Survives(%s, %s) = %v by %q, want %q", tc.path, tc.scope, yes, got, tc.want)
		}
	}
}

func TestMatchesAndLeads(t *testing.T) {
	for _, tc := range []struct {
		pattern, path  string
		matches, leads bool
	}{
		{"/a/b", "/a/b", true, false},
		{"/a/b", "/a", false, true},
		{"/a/b", "/", false, true},
		{"/a/b", "/b", false, false},
		{"/a/*/c", "/a/x", false, true},
		{"/a/*/c", "/a/x/c", true, false},
		{"/a/**/c", "/a/c", true, true},
		{"/a/**/c", "/a/x/c/y/c", true, true},
		{"/a/**/c", "/b/x", false, false},
		{"/a/**", "/a", true, true},
		{"/a/**", "/a/x/y", true, true},
		{"/a/**/b/**/c", "/a/b/b/x/c", true, true},
		{"/a/**/b/**/c", "/a/c/b", false, true},
	} {
		r := keep.Rule{Pattern: tc.pattern}
		if got := r.Matches(tc.path); got != tc.matches {
			t.Errorf("%s matches %s: %v, want %v", tc.pattern, tc.path, got, tc.matches)
		}
		if got := r.Leads(tc.path); got != tc.leads {
			t.Errorf("%s leads into %s: %v, want %v", tc.pattern, tc.path, got, tc.leads)
		}
	}
}

// TestManyStars would not end if the time grew with the power of the stars.
func TestManyStars(t *testing.T) {
	r := keep.Rule{Pattern: "/a" + strings.Repeat("/**/a", 200) + "/b"}
	if r.Matches(strings.Repeat("/a", 2000)) {
		t.Error("matches without a b")
	}
}

func TestLoad(t *testing.T) {
	fsys := fstest.MapFS{
		"usr/lib/freshroot/keep.d/20-vendor.conf": {Data: []byte("/etc/vendor update\nbad\n")},
		"usr/lib/freshroot/keep.d/30-masked.conf": {Data: []byte("/etc/masked update\n")},
		"etc/freshroot/keep.d/30-masked.conf":     {},
		"etc/freshroot/keep.d/10-admin.conf":      {Data: []byte("/etc/admin update")},
		"etc/freshroot/keep.d/readme":             {Data: []byte("bad")},
		"run/freshroot/keep.d/40.conf":            {Data: []byte("/etc/run update")},
		"etc/freshroot/keep.d/50-large.conf":      {Data: make([]byte, 1<<20+1)},
	}
	rules, problems := keep.Load(fsys)
	var got []string
	for _, r := range rules {
		got = append(got, r.String()+" # "+r.Where())
	}
	want := []string{
		"/etc/machine-id update reset # built in",
		"/etc/ssh/ssh_host_* update reset # built in",
		"/etc/admin update # /etc/freshroot/keep.d/10-admin.conf:1",
		"/etc/vendor update # /usr/lib/freshroot/keep.d/20-vendor.conf:1",
		"/etc/run update # /run/freshroot/keep.d/40.conf:1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	wantProblems := []string{
		`/usr/lib/freshroot/keep.d/20-vendor.conf:2: path "bad" is relative`,
		`read keep list "etc/freshroot/keep.d/50-large.conf": larger than 1048576 bytes`,
	}
	if diff := cmp.Diff(wantProblems, texts(problems)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// TestFresh reads the /etc of the factory in place of that of the root.
func TestFresh(t *testing.T) {
	fsys := fstest.MapFS{
		"usr/lib/freshroot/keep.d/1.conf":                   {Data: []byte("/etc/vendor reboot")},
		"usr/lib/freshroot/keep.d/2.conf":                   {Data: []byte("/etc/masked reboot")},
		"usr/share/factory/etc/freshroot/keep.d/2.conf":     {},
		"usr/share/factory/etc/freshroot/keep.d/3.conf":     {Data: []byte("/etc/factory reboot")},
		"etc/freshroot/keep.d/1.conf":                       {},
		"etc/freshroot/keep.d/4.conf":                       {Data: []byte("/etc/admin reboot")},
		"run/freshroot/keep.d/5.conf":                       {Data: []byte("/etc/run reboot")},
		"usr/local/lib/freshroot/keep.d/6.conf":             {Data: []byte("/etc/local reboot")},
		"usr/share/factory/etc/freshroot/keep.d/readme.txt": {Data: []byte("bad")},
	}
	rules, problems := keep.Load(keep.Fresh(fsys))
	var got []string
	for _, r := range rules[len(keep.Defaults()):] {
		got = append(got, r.Pattern)
	}
	want := []string{"/etc/vendor", "/etc/factory", "/etc/local"}
	if diff := cmp.Diff(want, got); diff != "" || problems != nil {
		t.Errorf("problems %v (-want +got):\n%s", problems, diff)
	}
}

func TestNeeds(t *testing.T) {
	if rules := keep.Defaults(); rules.Needs(keep.Reboot) || !rules.Needs(keep.Reset) {
		t.Error("the defaults need a reset only, and an update")
	}
	if parse(t, "!/etc/x reboot").Needs(keep.Reboot) {
		t.Error("to take back needs nothing")
	}
}

// FuzzParse sees that no accepted line keeps what is refused, and that a rule is read
// from its own text.
func FuzzParse(f *testing.F) {
	for _, line := range []string{
		"/etc/machine-id reboot", "!/etc/x", `"/etc/a b/" reset update`, `/etc/\*x reset`,
		"/etc/**/[a-z]/ update", `'/etc/x"y' reset`, "/e//./x/ reset", `/etc/a\\b reset`,
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rules, problems := keep.Parse("f", text)
		if n := len(rules) + len(problems); n > strings.Count(text, "\n")+1 {
			t.Fatalf("%d results", n)
		}
		for _, r := range rules {
			if r.Scopes == 0 || !strings.HasPrefix(r.Pattern, "/") || strings.HasSuffix(r.Pattern, "/") {
				t.Errorf("accepted %#v", r)
			}
			for _, path := range []string{"/usr/x", "/proc/1", "/run", "/dev/null", "/bin/sh", "/"} {
				if r.Matches(path) {
					t.Errorf("%q matches %s", r, path)
				}
			}
			if r.Literal() && !r.Matches(r.Pattern) {
				t.Errorf("%q does not match itself", r)
			}
		}
	})
}
