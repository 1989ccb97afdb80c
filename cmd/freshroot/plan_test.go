package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/qemu-tests/image"
)

// run runs the tool and returns what it prints.
func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&out)
	err := root.Execute()
	return out.String(), err
}

// newPool makes an image with a pool that has these golden masters.
func newPool(t *testing.T, sector int, members ...string) string {
	t.Helper()
	testfs.Root(t)
	path := filepath.Join(t.TempDir(), "disk.img")
	err := image.Create(path, image.Spec{SectorSize: sector, SizeMiB: 160, Partitions: []image.Partition{{
		Type: image.TypeRootX86_64, Label: "freshroot", FS: "btrfs",
		FSUUID: "12345678-90ab-cdef-1234-567890abcdef",
		Populate: func(root string) error {
			for _, m := range members {
				err := errors.Join(
					image.Subvolume(filepath.Join(root, m)),
					os.MkdirAll(filepath.Join(root, m, "lib/modules/6.1.0"), 0o755),
					image.SetReadOnly(filepath.Join(root, m), true))
				if err != nil {
					return err
				}
			}
			return nil
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func checksum(t *testing.T, path string) [32]byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(raw)
}

const wantPlan = `pool       DISK1 "freshroot", root (x86-64): btrfs 12345678-90ab-cdef-1234-567890abcdef
kernel     6.1.0
would boot usr:org.example.os:x86-64:1.10
  not "usr:org.example.os:arm64:2": other architecture (arm64)
  1 more to fall back to
mode       volatile=yes
instance   none
warning    freshroot.uzr= is not known and was left out; did you mean freshroot.usr?
steps
   1  mount tmpfs on /sysroot (mode=0755,size=25%,nr_inodes=1m)
   2  bind /pool/usr:org.example.os:x86-64:1.10 on /sysroot/usr, read-only
   3  copy /sysroot/usr/share/factory to /sysroot, keeping what exists
   4  make what is missing of the links and directories of /sysroot
   5  set up machine-id and hostname of /sysroot
   6  make the users and groups of sysusers.d in /sysroot
   7  make and remove what tmpfiles.d says in /sysroot
   8  link /run/systemd/volatile-root to DISK1
   9  switch to /sysroot and execute the first of /sbin/init
`

func TestIntegrationPlan(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		disk := newPool(t, sector, "usr:org.example.os:x86-64:1.9", "usr:org.example.os:x86-64:1.10",
			"usr:org.example.os:arm64:2")
		before := checksum(t, disk)
		out, err := run(t, "plan", "--arch", "x86_64", "--kernel", "6.1.0",
			"--cmdline", "volatile init=/sbin/init freshroot.uzr=1", disk)
		if diff := cmp.Diff(strings.ReplaceAll(wantPlan, "DISK", disk), out); diff != "" || err != nil {
			t.Errorf("sectors of %d: error %v (-want +got):\n%s", sector, err, diff)
		}
		if checksum(t, disk) != before {
			t.Errorf("sectors of %d: the image has changed", sector)
		}
	}
	if mounts := testfs.Run(t, "cat", "/proc/self/mounts"); strings.Contains(mounts, "freshroot-pool-") {
		t.Errorf("left mounted:\n%s", mounts)
	}
}

func TestIntegrationPlanJSON(t *testing.T) {
	disk := newPool(t, 512, "usr:org.example.os:x86-64:1", "usr:org.example.os:x86-64:2+0-3")
	out, err := run(t, "plan", "--arch", "x86-64", "--json", disk)
	if err != nil {
		t.Fatal(err)
	}
	var got planJSON
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if got.Usr != "usr:org.example.os:x86-64:1" || len(got.Skipped) != 1 || len(got.Steps) != 8 || got.Warnings == nil {
		t.Errorf("got %+v", got)
	}
}

func TestIntegrationPlanWouldNotBoot(t *testing.T) {
	disk := newPool(t, 512, "usr:org.example.os:x86-64:1")
	whole := filepath.Join(t.TempDir(), "whole.img")
	if err := errors.Join(os.WriteFile(whole, nil, 0o600), os.Truncate(whole, 128<<20)); err != nil {
		t.Fatal(err)
	}
	testfs.Run(t, "mkfs.btrfs", "-q", whole)
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--kernel", "9.9", disk}, "would not boot: the pool holds no usr: that can be booted"},
		{[]string{"--arch", "riscv64", disk}, "would not boot: no partition of a suitable type"},
		{[]string{disk, disk}, "could both be the pool"},
		{[]string{"--cmdline", "root=LABEL=x", disk}, "would not boot: no partition root=LABEL=x appeared\n"},
		{[]string{whole}, "one btrfs without partitions: if it is the pool, name it with root=UUID="},
		{[]string{"--json", "--kernel", "9.9", disk}, `"problem": "no-usr"`},
	} {
		out, err := run(t, append([]string{"plan", "--arch", "x86-64"}, tc.args...)...)
		if !errors.Is(err, errSaid) || !strings.Contains(out, tc.want) {
			t.Errorf("plan %q: error %v, output\n%swant %q", tc.args, err, out, tc.want)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for _, args := range [][]string{{"plan"}, {"plan", "--nope", "x"}, {"man"}, {"man", "a", "b"},
		{"plam", "x"}, {"initramfs", "bild"}, {"initramfs", "build", "x"},
		{"plan", "--arch", "foo", "x"}} {
		var usage usageError
		if _, err := run(t, args...); !errors.As(err, &usage) {
			t.Errorf("%q: error %v is no usage error", args, err)
		}
	}
	if _, err := run(t, "plan", "/nonexistent"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent disk: %v", err)
	}
}

// TestNoDisk names what is no disk and no image of one, without waiting for it.
func TestNoDisk(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir: "is a directory: name a disk", fifo: "is neither a disk nor", "/dev/null": "is neither a disk nor",
	} {
		for _, command := range []string{"plan", "list"} {
			_, err := run(t, command, path)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %s: error %v, want %q", command, path, err, want)
			}
		}
	}
}
