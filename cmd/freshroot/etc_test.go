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

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/qemu-tests/image"
)

// runEtc runs a subcommand of etc and returns what it prints.
func runEtc(args ...string) (string, error) {
	var out bytes.Buffer
	c := etcCommand()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(&out)
	err := c.Execute()
	return out.String(), err
}

// writeTree writes files; a name that ends in a slash is a directory.
func writeTree(dir string, files map[string]string) (err error) {
	for name, text := range files {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			err = errors.Join(err, os.MkdirAll(path, 0o755))
			continue
		}
		err = errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644))
	}
	return err
}

// newEtc makes a root with one of each difference.
func newEtc(t *testing.T) string {
	t.Helper()
	testfs.Root(t)
	root := t.TempDir()
	const f = "usr/share/factory/etc/"
	err := errors.Join(
		writeTree(root, map[string]string{
			f + "same": "1\n", f + "motd": "hello\nworld\n", f + "gone": "1\n", f + "link": "1\n", f + "mode": "1\n",
			f + "dir/a": "1\n", "etc/same": "1\n", "etc/motd": "hello\nyou\n", "etc/mode": "1\n", "etc/new": "mine\n",
			"etc/dir/a": "1\n", "etc/dir/b\x1b[1m": "1\n", "etc/tree/x/y": "1\n", "etc/.freshroot": "stamp\n",
		}),
		os.Symlink("same", root+"/etc/link"),
		os.Chmod(root+"/etc/mode", 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestIntegrationEtcDiff(t *testing.T) {
	root := newEtc(t)
	out, err := runEtc("diff", "--root", root)
	want := "A  \"dir/b\\x1b[1m\"\nD  gone\nM  link\nM  mode\nM  motd\nA  new\nA  tree\n"
	if diff := cmp.Diff(want, out); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	out, err = runEtc("diff", "--json", "--root", root)
	var changes []etcChange
	if err := errors.Join(err, json.Unmarshal([]byte(out), &changes)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(etcChange{"gone", "deleted"}, changes[1]); diff != "" || len(changes) != 7 {
		t.Errorf("%d changes (-want +got):\n%s", len(changes), diff)
	}
}

const wantText = `--- /dev/null
+++ etc/dir/b
@@ -0,0 +1 @@
+1
--- factory/etc/gone
+++ /dev/null
@@ -1 +0,0 @@
-1
M  link
owner, mode or attributes differ: mode
--- factory/etc/motd
+++ etc/motd
@@ -1,2 +1,2 @@
 hello
-world
+you
--- /dev/null
+++ etc/new
@@ -0,0 +1 @@
+mine
A  tree
`

func TestIntegrationEtcDiffText(t *testing.T) {
	testfs.Tool(t, "diff")
	root := newEtc(t)
	if err := os.Rename(root+"/etc/dir/b\x1b[1m", root+"/etc/dir/b"); err != nil {
		t.Fatal(err)
	}
	out, err := runEtc("diff", "--text", "--root", root)
	if diff := cmp.Diff(wantText, out); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

func TestIntegrationEtcDiffFails(t *testing.T) {
	testfs.Root(t)
	root := t.TempDir()
	if _, err := runEtc("diff", "--root", root); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a factory: error %v", err)
	}
}

// newUpdate makes an image with an instance of version 1, changed, and a version 2.
func newUpdate(t *testing.T) string {
	t.Helper()
	testfs.Root(t)
	path := filepath.Join(t.TempDir(), "disk.img")
	const usr = "usr:org.example.os:x86-64:"
	err := image.Create(path, image.Spec{SectorSize: 512, SizeMiB: 160, Partitions: []image.Partition{{
		Type: image.TypeRootX86_64, Label: "freshroot", FS: "btrfs",
		Populate: func(root string) error {
			const f = "/share/factory/etc/"
			err := errors.Join(
				image.Subvolume(filepath.Join(root, usr+"1")), image.Subvolume(filepath.Join(root, usr+"2")),
				writeTree(root, map[string]string{
					usr + "1" + f + "motd": "1", usr + "1" + f + "issue": "1", usr + "1" + f + "old": "1",
					usr + "2" + f + "motd": "2", usr + "2" + f + "issue": "2", usr + "2" + f + "new": "2",
					usr + "1" + f + "machine-id": "1", usr + "2" + f + "machine-id": "2",
				}),
				image.SetReadOnly(filepath.Join(root, usr+"1"), true), image.SetReadOnly(filepath.Join(root, usr+"2"), true))
			if err != nil {
				return err
			}
			return boot(root, usr+"1")
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// boot does for an instance what the init does, and changes a file in it. Nothing
// stays open, for the image is unmounted then.
func boot(pool, usr string) error {
	member, err := subvol.Parse(usr)
	if err != nil {
		return err
	}
	dir, err := os.Open(pool)
	if err != nil {
		return err
	}
	defer dir.Close()
	golden, err := os.Open(filepath.Join(pool, usr))
	if err != nil {
		return err
	}
	defer golden.Close()
	const name = "root:default:org.example.os:x86-64"
	_, err = instance.Target{Pool: dir, Name: name, Usr: member, Golden: golden}.Ensure()
	return errors.Join(err, writeTree(pool, map[string]string{name + "/etc/issue": "mine"}))
}

const wantMerge = `/etc of usr:org.example.os:x86-64:1 is merged with the factory of usr:org.example.os:x86-64:2
  beside      issue.freshroot-new
  replace     motd
  create      new
  remove      old
`

func TestIntegrationEtcMerge(t *testing.T) {
	disk := newUpdate(t)
	before := checksum(t, disk)
	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, wantMerge},
		{[]string{"--cmdline", "freshroot.usr=1"}, "/etc stays as it is: it is of usr:org.example.os:x86-64:1\n"},
		{[]string{"--cmdline", "freshroot.root=other"},
			"root:other:org.example.os:x86-64 is made from the factory of usr:org.example.os:x86-64:2\n"},
		{[]string{"--cmdline", "volatile=yes"}, "no /etc on the disk is changed in this mode\n"},
	} {
		args := append([]string{"merge", "--dry-run", "--arch", "x86-64"}, tc.args...)
		out, err := runEtc(append(args, disk)...)
		if diff := cmp.Diff(tc.want, out); diff != "" || err != nil {
			t.Errorf("%q: error %v (-want +got):\n%s", tc.args, err, diff)
		}
	}
	out, err := runEtc("merge", "--dry-run", "--json", "--arch", "x86-64", disk)
	var got etcMerge
	if err := errors.Join(err, json.Unmarshal([]byte(out), &got)); err != nil {
		t.Fatal(err)
	}
	if got.Change != "merged" || len(got.Conflicts) != 1 || len(got.Actions) != 4 || got.Made == nil {
		t.Errorf("got %+v", got)
	}
	if checksum(t, disk) != before {
		t.Error("the image has changed")
	}
	out, err = runEtc("merge", "--dry-run", "--arch", "riscv64", disk)
	if !errors.Is(err, errSaid) || !strings.Contains(out, "would not boot") {
		t.Errorf("error %v, output %s", err, out)
	}
}

func TestEtcUsageErrors(t *testing.T) {
	for _, args := range [][]string{
		{"merge"}, {"merge", "disk"}, {"diff", "x"}, {"dif"}, {"diff", "--text", "--json"},
	} {
		var usage usageError
		if _, err := runEtc(args...); !errors.As(err, &usage) {
			t.Errorf("%q: error %v is no usage error", args, err)
		}
	}
}
