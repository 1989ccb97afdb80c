package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// toolPool is a pool with one version, for the tool to work on.
func toolPool(t *testing.T) string {
	t.Helper()
	old := unix.Umask(0o022)
	t.Cleanup(func() { unix.Umask(old) })
	dir := testfs.Btrfs(t, 128)
	usr := filepath.Join(dir, "usr:org.example.os:"+subvol.HostArch()+":1.0")
	testfs.Run(t, "btrfs", "-q", "subvolume", "create", usr)
	err := writeTree(usr, map[string]string{
		"share/factory/etc/hosts": "f", "share/factory/etc/skel/.profile": "f",
		"share/factory/var/lib/db":    "f",
		"lib/freshroot/keep.d/a.conf": "/var/lib/app/ reset\n!/var/lib/app/cache reset\n/etc/app.* reset\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	testfs.Run(t, "btrfs", "property", "set", usr, "ro", "true")
	return dir
}

// tool runs the tool on a pool.
func tool(pool string, args ...string) (string, error) {
	var out bytes.Buffer
	c := rootCommand()
	c.SetArgs(append(args, "--pool", pool))
	c.SetOut(&out)
	c.SetErr(&out)
	err := c.Execute()
	return out.String(), err
}

func mustTool(t *testing.T, pool string, args ...string) string {
	t.Helper()
	out, err := tool(pool, args...)
	if err != nil {
		t.Fatalf("freshroot %q: %v\n%s", args, err, out)
	}
	return out
}

func rootName(name string) string { return "root:" + name + ":org.example.os:" + subvol.HostArch() }

// TestIntegrationRoots follows instances through their lives.
func TestIntegrationRoots(t *testing.T) {
	pool := toolPool(t)
	mustTool(t, pool, "root", "create", "default")
	if err := os.WriteFile(filepath.Join(pool, rootName("default"), "etc/mine"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	mustTool(t, pool, "root", "clone", "default", "fair")
	mustTool(t, pool, "root", "rename", rootName("fair"), "show")
	mustTool(t, pool, "root", "create", "third", "--usr", "1.0")
	arch := subvol.HostArch()
	want := "NAME     VENDOR          ARCH" + strings.Repeat(" ", max(0, len(arch)-4)) + "  VERSION  RUNNING\n"
	for _, name := range []string{"default", "show   ", "third  "} {
		want += name + "  org.example.os  " + arch + "  1.0      no\n"
	}
	if diff := cmp.Diff(want, mustTool(t, pool, "root", "list")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	mustTool(t, pool, "root", "delete", "default", "third")
	var list []rootInfo
	if err := json.Unmarshal([]byte(mustTool(t, pool, "root", "list", "--json")), &list); err != nil {
		t.Fatal(err)
	}
	left := []rootInfo{{"show", "org.example.os", arch, "1.0", false, rootName("show")}}
	if diff := cmp.Diff(left, list); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(pool, rootName("show"), "etc/mine")); err != nil {
		t.Error(err)
	}
}

func TestIntegrationHomes(t *testing.T) {
	pool := toolPool(t)
	if diff := cmp.Diff("[]\n", mustTool(t, pool, "home", "list", "--json")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	mustTool(t, pool, "home", "create", "ada:1000:100")
	if _, err := os.Stat(filepath.Join(pool, "home:ada:1000:100/.profile")); err != nil {
		t.Error(err)
	}
	mustTool(t, pool, "home", "create", "bob:1001:100")
	mustTool(t, pool, "home", "delete", "bob")
	want := "USER  UID   GID\nada   1000  100\n"
	if diff := cmp.Diff(want, mustTool(t, pool, "home", "list")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestIntegrationMountedHome keeps a home as long as it, or something in it, is mounted. One
// of another pool does not matter, whatever its name.
func TestIntegrationMountedHome(t *testing.T) {
	const ada, bob = "home:ada:1000:100", "home:bob:1001:100"
	pool, other := toolPool(t), toolPool(t)
	for _, pool := range []string{pool, other} {
		mustTool(t, pool, "home", "create", strings.TrimPrefix(ada, "home:"))
		mustTool(t, pool, "home", "create", strings.TrimPrefix(bob, "home:"))
	}
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for of, at := range map[string]string{ada: dir, ada + "/.profile": file} {
		testfs.Run(t, "mount", "--bind", filepath.Join(pool, of), at)
		t.Cleanup(func() { _ = unix.Unmount(at, 0) }) // should the test fail before
		want := `"` + ada + `" is mounted on ` + at + ": unmount it first"
		if _, err := tool(pool, "home", "delete", "bob", "ada"); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
		if _, err := os.Stat(filepath.Join(pool, bob)); err != nil {
			t.Error("one of two was deleted: ", err)
		}
		if err := unix.Unmount(at, 0); err != nil {
			t.Fatal(err)
		}
	}
	testfs.Run(t, "mount", "--bind", filepath.Join(pool, ada), dir)
	mustTool(t, other, "home", "delete", "ada", "bob")
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
	mustTool(t, pool, "home", "delete", "ada", "bob")
}

// TestIntegrationMembersRefused has what is no mistake of usage, and is refused.
func TestIntegrationMembersRefused(t *testing.T) {
	pool := toolPool(t)
	mustTool(t, pool, "root", "create", "default")
	mustTool(t, pool, "home", "create", "ada:1000:100")
	if err := os.Mkdir(filepath.Join(pool, "root:default:org.other:x86-64"), 0o755); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"exists":                       {"root", "create", "default"},
		"ambiguous":                    {"root", "delete", "default"},
		`no instance named "nope"`:     {"root", "delete", rootName("default"), "nope"},
		"has a home already":           {"home", "create", "ada:1:1"},
		`no home named "bob"`:          {"home", "delete", "bob"},
		`of "` + rootName("default"):   {"reset", "--undo", "--instance", rootName("default")},
		`no instance named "elsewhere`: {"reset", "--instance", "elsewhere"},
	} {
		if out, err := tool(pool, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q\n%s", args, err, want, out)
		}
	}
	if _, err := os.Stat(filepath.Join(pool, rootName("default"))); err != nil {
		t.Error("one of two was deleted: ", err)
	}
}

func TestMembersUsage(t *testing.T) {
	testfs.Root(t)
	for _, args := range [][]string{
		{"root"}, {"root", "create"}, {"root", "clone", "a"}, {"root", "nope"}, {"home", "create", "ada"},
		{"home", "create", "../x:1:1"}, {"home", "create", "ada:65535:1"}, {"reset", "usr"}, {"reset", "var", "all"},
		{"reset", "--undo", "var"}, {"trash", "nope"}, {"trash", "list", "x"},
	} {
		_, err := tool("/", args...)
		var usage usageError
		if !errors.As(err, &usage) {
			t.Errorf("%q: %v, want a usage error", args, err)
		}
	}
}

const wantPreview = `a reset of /etc, /var and the rest of ROOT
  goes   /etc: to the trash, and begins anew with the factory
  goes   /home: to the trash, and begins anew with the factory
  goes   /mnt: to the trash, and begins anew with the factory
  goes   /opt: to the trash, and begins anew with the factory
  goes   /root: to the trash, and begins anew with the factory
  goes   /srv: to the trash, and begins anew with the factory
  goes   "/stray\x1b": to the trash, and begins anew with the factory
  goes   /tmp: to the trash, and begins anew with the factory
  goes   /var: to the trash, and begins anew with the factory
  goes   /var/lib/app/cache: to the trash, and begins anew with the factory
  stays  /etc/machine-id: "/etc/machine-id update reset" (built in)
  stays  /var/lib/app: "/var/lib/app/ reset" (/usr/lib/freshroot/keep.d/a.conf:1)
  stays  /etc/app.one: "/etc/app.* reset" (/usr/lib/freshroot/keep.d/a.conf:3)
`

// TestIntegrationResetCommand asks, and lets the library do what the init would.
func TestIntegrationResetCommand(t *testing.T) {
	pool := toolPool(t)
	mustTool(t, pool, "root", "create", "default")
	root := rootName("default")
	err := writeTree(filepath.Join(pool, root), map[string]string{
		"etc/machine-id": "id", "etc/app.one": "", "var/lib/app/cache/x": "", "stray\x1b": "",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(wantPreview, "ROOT", root)
	if diff := cmp.Diff(want, mustTool(t, pool, "reset", "--dry-run")); diff != "" {
		t.Errorf("dry run (-want +got):\n%s", diff)
	}
	var preview resetPreview
	if err := json.Unmarshal([]byte(mustTool(t, pool, "reset", "var", "--dry-run", "--json")), &preview); err != nil {
		t.Fatal(err)
	}
	wantVar := resetPreview{root, reset.Var, "", []string{"/var", "/var/lib/app/cache"},
		[]resetStays{{"/var/lib/app", "/var/lib/app/ reset", "/usr/lib/freshroot/keep.d/a.conf:1"}}}
	if diff := cmp.Diff(wantVar, preview); diff != "" {
		t.Errorf("dry run of /var (-want +got):\n%s", diff)
	}
	top := testfs.Open(t, pool)
	if r, err := instance.ReadRequest(top, root); r != (reset.Request{}) || err != nil {
		t.Errorf("a dry run has left %v, %v", r, err)
	}
	said := mustTool(t, pool, "reset", "var", "--at-boot")
	if diff := cmp.Diff("the next boot of "+root+" resets /var\n", said); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r, err := instance.ReadRequest(top, root); r.Reset != reset.Var || err != nil {
		t.Errorf("what was asked for is %v, %v", r, err)
	}
}

// TestIntegrationResetRefused asks for what the boot would not do, and for what it would do
// all the same.
func TestIntegrationResetRefused(t *testing.T) {
	pool := toolPool(t)
	mustTool(t, pool, "root", "create", "default")
	root := rootName("default")
	path := filepath.Join(pool, root)
	top := testfs.Open(t, pool)
	refused := func(want string) {
		t.Helper()
		want = "reset var of \"" + root + "\": " + want + ": only all of the instance can be reset"
		for _, flags := range [][]string{nil, {"--dry-run"}, {"--dry-run", "--json"}} {
			out, err := tool(pool, append([]string{"reset", "var"}, flags...)...)
			if err == nil || err.Error() != want || out != "" {
				t.Errorf("%q: %v, want %s\n%s", flags, err, want, out)
			}
		}
		if r, err := instance.ReadRequest(top, root); r != (reset.Request{}) || err != nil {
			t.Errorf("it was asked for: %v, %v", r, err)
		}
	}
	if err := os.Rename(path+"/var", path+"/old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+"/var", 0o755); err != nil {
		t.Fatal(err)
	}
	refused("\"" + path + "/var\" is no subvolume")
	if err := errors.Join(os.Remove(path+"/var"), os.Symlink("old", path+"/var")); err != nil {
		t.Fatal(err)
	}
	refused("open directory \"" + path + "/var\": too many levels of symbolic links")
	if out := mustTool(t, pool, "reset", "--dry-run"); !strings.Contains(out, "  goes   /var: ") {
		t.Errorf("all of it:\n%s", out)
	}
	if err := errors.Join(os.Rename(path, pool+"/aside"), os.WriteFile(path, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	refused("open directory \"" + path + "\": not a directory")
	want := "a reset of /etc, /var and the rest of " + root +
		"\n  goes   /: to the trash, and begins anew with the factory\n"
	if diff := cmp.Diff(want, mustTool(t, pool, "reset", "--dry-run")); diff != "" {
		t.Errorf("a file as the instance (-want +got):\n%s", diff)
	}
}

// TestIntegrationTrash fills the trash and empties it.
func TestIntegrationTrash(t *testing.T) {
	pool := toolPool(t)
	mustTool(t, pool, "root", "create", "default")
	trash := filepath.Join(pool, ".freshroot/trash")
	root := rootName("default")
	entries := []string{root + "@2-20261123T231500Z.var", root + "@10-19700101T000000Z.all"}
	for _, name := range append(entries, "by hand") {
		if err := os.MkdirAll(filepath.Join(trash, name, "lib"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	want := "THROWN AWAY          WHAT  ENTRY\n2026-11-23 23:15:00  var   " + entries[0] +
		"\n1970-01-01 00:00:00  all   " + entries[1] + "\n"
	if diff := cmp.Diff(want, mustTool(t, pool, "trash", "list")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var asked asked
	if err := json.Unmarshal([]byte(mustTool(t, pool, "reset", "--undo", "--json")), &asked); err != nil || asked.Undo != entries[1] {
		t.Errorf("asked for %+v, %v", asked, err)
	}
	for i, args := range [][]string{{"trash", "purge"}, {"trash", "purge", "--all"}, {"trash", "purge"}} {
		want := append(entries, "")[i]
		if want != "" {
			want = "deleted " + want + "\n"
		}
		if diff := cmp.Diff(want, mustTool(t, pool, args...)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", args, diff)
		}
	}
	left, err := os.ReadDir(trash)
	if err != nil || len(left) != 1 || left[0].Name() != "by hand" {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestIntegrationPoolImage works on the pool in an image, which no list changes.
func TestIntegrationPoolImage(t *testing.T) {
	image := newPool(t, 512, v+"1")
	mustTool(t, image, "home", "create", "ada:1000:100")
	before := checksum(t, image)
	out := mustTool(t, image, "home", "list") + mustTool(t, image, "root", "list") + mustTool(t, image, "trash", "list")
	if !strings.Contains(out, "\nada   1000  100\n") {
		t.Errorf("no home in %s", out)
	}
	if checksum(t, image) != before {
		t.Error("listing has changed the image")
	}
}

// TestIntegrationPoolNames opens one pool by its device and by where it is mounted.
func TestIntegrationPoolNames(t *testing.T) {
	dir := toolPool(t)
	device := strings.TrimSpace(testfs.Run(t, "findmnt", "-n", "-o", "SOURCE", dir))
	mustTool(t, device, "root", "create", "default")
	want := mustTool(t, dir, "root", "list", "--json")
	if diff := cmp.Diff(want, mustTool(t, device, "root", "list", "--json")); diff != "" {
		t.Errorf("by mount point and by device (-want +got):\n%s", diff)
	}
	mustTool(t, device, "reset", "var")
	for _, test := range []struct {
		pool, want string
		args       []string
	}{
		{filepath.Join(dir, rootName("default")), "is not the top level of a pool", []string{"root", "list"}},
		{t.TempDir(), "is not the top level of a pool", []string{"trash", "purge", "--all"}},
		{dir, `the pool has no "9.9" that can be booted`, []string{"root", "create", "x", "--usr", "9.9"}},
		{dir, "--now-reboot is for the instance that is running", []string{"reset", "--now-reboot"}},
		{dir, "choose one of", []string{"reset", "--now-reboot", "--dry-run"}},
	} {
		_, err := tool(test.pool, test.args...)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: error %v, want %q", test.args, err, test.want)
		}
	}
}
