package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/keep"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// keepTree makes a root with a keep list.
func keepTree(t *testing.T, lines string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range map[string]string{
		"usr/lib/freshroot/keep.d/50-os.conf": lines,
		"etc/machine-id":                      "", "var/lib/a/1": "", "var/lib/a/2\n": "", "var/lib/a/3": "", "var/lib/a/4": "",
	} {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// runKeep runs a subcommand, without the tool around it.
func runKeep(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	c := keepCommand()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(&out)
	err := c.Execute()
	return out.String(), err
}

func TestKeepList(t *testing.T) {
	root := keepTree(t, "/var/lib/a/* reset\n!/var/lib/b/ reboot\n/usr/x reset\n")
	out, err := runKeep(t, "list", "--root", root)
	want := `freshroot: /usr/lib/freshroot/keep.d/50-os.conf:3: path "/usr/x" belongs to the golden master
PATH                 SCOPES        LINE                                    MATCHES NOW
/etc/machine-id      update reset  built in                                /etc/machine-id
/etc/ssh/ssh_host_*  update reset  built in                                -
/var/lib/a/*         reset         /usr/lib/freshroot/keep.d/50-os.conf:1  /var/lib/a/1 "/var/lib/a/2\n" /var/lib/a/3 and 1 more
!/var/lib/b/         reboot        /usr/lib/freshroot/keep.d/50-os.conf:2  -
`
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !errors.Is(err, errSaid) {
		t.Errorf("error %v, want errSaid for the bad line", err)
	}
}

func TestKeepListJSON(t *testing.T) {
	out, err := runKeep(t, "list", "--json", "--root", keepTree(t, "/var/lib/[b]/ reboot"))
	if err != nil {
		t.Fatal(err)
	}
	var got []keepLine
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	last := keepLine{Path: "/var/lib/[b]", Directory: true, Scopes: []string{"reboot"},
		Where: "/usr/lib/freshroot/keep.d/50-os.conf:1", Matches: []string{}}
	if len(got) != 3 || cmp.Diff(last, got[2], cmp.AllowUnexported(keepLine{}, keep.Rule{})) != "" {
		t.Errorf("got %+v, want %+v as the last of 3", got, last)
	}
}

func TestKeepWhy(t *testing.T) {
	root := keepTree(t, "/var/lib/a/ reboot\n")
	out, err := runKeep(t, "why", "--root", root, "/var/lib/a/1")
	want := `reboot, volatile=no: yes, all of the instance stays
reboot, volatile=state: yes, it is bound from the instance: "/var/lib/a/ reboot" (/usr/lib/freshroot/keep.d/50-os.conf:1)
reboot, volatile=yes: yes, it is bound from the instance: "/var/lib/a/ reboot" (/usr/lib/freshroot/keep.d/50-os.conf:1)
reboot, volatile=overlay: no, changes are lost with the overlay
update: yes, only /etc is merged
factory reset: no, it is fresh from the factory, as no line covers it
`
	if diff := cmp.Diff(want, out); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

// TestKeepWhyAdministrator has a line in a persistent /etc, which volatile=yes does not
// see.
func TestKeepWhyAdministrator(t *testing.T) {
	root := keepTree(t, "")
	dir := filepath.Join(root, "etc/freshroot/keep.d")
	if err := errors.Join(os.MkdirAll(dir, 0o755),
		os.WriteFile(dir+"/admin.conf", []byte("/var/x/ reboot"), 0o644)); err != nil {
		t.Fatal(err)
	}
	out, err := runKeep(t, "why", "--json", "--root", root, "/var/x")
	if err != nil {
		t.Fatal(err)
	}
	var verdicts []keep.Verdict
	if err := json.Unmarshal([]byte(out), &verdicts); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, v := range verdicts {
		got[v.Event] = v.Survives
	}
	want := map[string]bool{
		"reboot, volatile=no": true, "reboot, volatile=state": true, "reboot, volatile=yes": false,
		"reboot, volatile=overlay": false, "update": true, "factory reset": false,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestKeepUsage(t *testing.T) {
	for _, args := range [][]string{
		{"why"}, {"why", "relative"}, {"list", "x"}, {"save"}, {"nope"},
	} {
		_, err := runKeep(t, args...)
		var usage usageError
		if !errors.As(err, &usage) {
			t.Errorf("keep %q: %v, want a usage error", args, err)
		}
	}
}

func TestMayBeKept(t *testing.T) {
	rules, _ := keep.Parse("f", "/var/lib/a/ reboot\n/etc/a reboot")
	for _, tc := range []struct{ mode, instance, name, want string }{
		{"yes", "root:x", "/etc/a", ""},
		{"state", "root:x", "/var/lib/a/b", ""},
		{"state", "root:x", "/etc/a", `"/etc/a": it is persistent with volatile=state`},
		{"no", "root:x", "/var/lib/a/b", `"/var/lib/a/b": it is persistent with volatile=no`},
		{"overlay", "root:x", "/etc/a", `"/etc/a": volatile=overlay keeps nothing`},
		{"yes", "root:x", "/etc/b", `"/etc/b": no line of the keep list gives it reboot`},
		{"yes", "", "/etc/a", `"/etc/a": this boot has no instance`},
	} {
		got := ""
		err := bootRecord{Mode: volatile.Mode(tc.mode), Instance: tc.instance}.mayBeKept(tc.name, rules)
		if err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%v: %q", tc, got)
		}
	}
}

// TestIntegrationKeepSave saves while the pool is mounted elsewhere, too, as it is in a
// running system.
func TestIntegrationKeepSave(t *testing.T) {
	pool := testfs.Btrfs(t, 128)
	root := keepTree(t, "")
	if err := os.MkdirAll(pool+"/root:x/var", 0o755); err != nil {
		t.Fatal(err)
	}
	boot := bootRecord{Instance: "root:x"}
	boot.Pool.Device = strings.TrimSpace(testfs.Run(t, "findmnt", "-no", "SOURCE", pool))
	err := boot.save(testfs.Open(t, root), []string{"/var/lib/a", "/etc/absent", "/etc/machine-id"})
	if !errors.Is(err, os.ErrNotExist) || strings.Count(err.Error(), "save") != 1 {
		t.Errorf("error %v, want that of the absent file", err)
	}
	for _, name := range []string{"var/lib/a/1", "etc/machine-id"} {
		if _, err := os.Stat(filepath.Join(pool, "root:x", name)); err != nil {
			t.Error(err)
		}
	}
}
