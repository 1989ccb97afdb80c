package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/pool"
	"github.com/freshroot/freshroot/pkg/volatile"
	"github.com/freshroot/freshroot/qemu-tests/image"
)

const v = "usr:org.example.os:x86-64:"

// runningFrom makes a pool, mounts it as a boot with a mode does, and returns the record
// that the boot of a member would leave.
func runningFrom(t *testing.T, mode volatile.Mode, usr string, members ...string) bootRecord {
	t.Helper()
	return runningImage(t, poolImage(t, members...), mode, usr)
}

// poolImage makes the image of a disk with a pool.
func poolImage(t *testing.T, members ...string) (path string) {
	t.Helper()
	testfs.Root(t)
	path = filepath.Join(t.TempDir(), "disk.img")
	partition := image.Pool(func(top string) error {
		for _, m := range members {
			path := filepath.Join(top, m)
			if err := errors.Join(image.Subvolume(path), image.SetReadOnly(path, true)); err != nil {
				return err
			}
		}
		return nil
	})
	err := image.Create(path, image.Spec{SizeMiB: 160, Partitions: []image.Partition{partition}})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// runningImage does the rest of runningFrom. Options are those of losetup.
func runningImage(t *testing.T, path string, mode volatile.Mode, usr string, options ...string) bootRecord {
	t.Helper()
	part := device.ReadDisk(path).Partitions[0]
	loop := strings.TrimSpace(testfs.Run(t, "losetup", append(options, "--find", "--show",
		"--offset", fmt.Sprint(part.Offset), path)...))
	t.Cleanup(func() { testfs.Run(t, "losetup", "--detach", loop) })
	readOnly, data := volatile.PoolMount(volatile.Options{Mode: mode}, part.HasLog)
	flags := uintptr(0)
	if readOnly {
		flags = unix.MS_RDONLY
	}
	dir := t.TempDir()
	if err := unix.Mount(loop, dir, "btrfs", flags, data); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	b := bootRecord{Mode: mode, Usr: usr, CountedBy: volatile.CountedByInit}
	b.Pool.Device, b.Pool.Disk = loop, dir // where the tests look
	return b
}

// members lists what is in the pool of a record.
func members(t *testing.T, b bootRecord) (list []string) {
	t.Helper()
	list, err := pool.Entries(testfs.Open(t, b.Pool.Disk))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return slices.DeleteFunc(list, func(name string) bool { return name == ".freshroot" })
}

func TestIntegrationBless(t *testing.T) {
	for _, mode := range []volatile.Mode{volatile.No, volatile.Yes, volatile.Overlay} {
		b := runningFrom(t, mode, v+"2+1-2", v+"2+1-2", v+"1")
		for _, want := range []string{
			v + "2+1-2 is " + v + "2 now\n", v + "2 stays as it is\n",
		} {
			var out strings.Builder
			err := b.bless(&out, 3)
			if diff := cmp.Diff(want, out.String()); diff != "" || err != nil {
				t.Errorf("%s: error %v (-want +got):\n%s", mode, err, diff)
			}
		}
		if diff := cmp.Diff([]string{v + "1", v + "2"}, members(t, b)); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", mode, diff)
		}
		var st unix.Statfs_t
		if err := unix.Statfs(b.Pool.Disk, &st); err != nil {
			t.Fatal(err)
		}
		if readOnly := st.Flags&unix.ST_RDONLY != 0; readOnly != (mode != volatile.No) {
			t.Errorf("%s: the pool is read-only afterwards: %v", mode, readOnly)
		}
	}
}

// TestIntegrationBlessWritesNothing blesses what is blessed, which changes not a byte, also
// on a disk that cannot be written to, and if a log was not replayed. So do the others that
// are called in each boot.
func TestIntegrationBlessWritesNothing(t *testing.T) {
	clean := poolImage(t, v+"2", v+"1")
	for _, c := range []struct {
		name    string
		mode    volatile.Mode
		booted  string
		copied  func(*testing.T, string) string
		options []string
	}{
		{"yes", volatile.Yes, v + "2", copyOf, nil},
		{"overlay", volatile.Overlay, v + "2", copyOf, nil},
		{"read-only", volatile.Yes, v + "2", copyOf, []string{"--read-only"}},
		{"log left", volatile.Yes, v + "2", withLog, nil},
		{"counted", volatile.Yes, v + "2+1-2", copyOf, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := c.copied(t, clean)
			before := checksum(t, path)
			b := runningImage(t, path, c.mode, c.booted, c.options...)
			b.Tries = &tries{}
			var out strings.Builder
			err := b.bless(&out, 3)
			b.Usr = v + "2+1-2"
			err = errors.Join(err, b.giveBack(&out),
				b.saveLog(func() ([]byte, error) { return nil, errors.New("was read") }))
			want := strings.Repeat(v+"2 stays as it is\n", 2)
			if diff := cmp.Diff(want, out.String()); diff != "" || err != nil {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
			if err := unix.Syncfs(int(testfs.Open(t, b.Pool.Disk).Fd())); err != nil {
				t.Fatal(err)
			}
			if checksum(t, path) != before {
				t.Error("the disk has changed")
			}
		})
	}
}

// TestIntegrationLogLeft changes a pool whose log was not replayed: it cannot be done, and
// what to do is said.
func TestIntegrationLogLeft(t *testing.T) {
	b := runningImage(t, withLog(t, poolImage(t, v+"2+1-2", v+"1")), volatile.Yes, v+"2+1-2")
	_, reset := (&memberOptions{}).openTop(b.Pool.Device)
	for name, err := range map[string]error{
		"bless": b.bless(io.Discard, 3), "mark-bad": b.markBad(io.Discard, "1"), "reset": reset,
	} {
		if !errors.Is(err, errLogLeft) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// withLog copies an image, whose power has gone after something was synced.
func withLog(t *testing.T, path string) (cut string) {
	t.Helper()
	path = copyOf(t, path)
	err := image.Mount(path, 1, false, func(top string) error {
		f, err := os.Create(filepath.Join(top, "synced"))
		if err != nil {
			return err
		}
		err = errors.Join(f.Sync(), f.Close())
		cut = copyOf(t, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !device.ReadDisk(cut).Partitions[0].HasLog {
		t.Fatal("there is no log")
	}
	return cut
}

func copyOf(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy.img")
	testfs.Run(t, "cp", "--sparse=always", path, to)
	return to
}

// TestIntegrationBlessPurges deletes what was thrown away, where the instance was booted.
func TestIntegrationBlessPurges(t *testing.T) {
	const name = "root:default:org.example.os:x86-64"
	for _, mode := range []volatile.Mode{volatile.No, volatile.State, volatile.Yes, volatile.Overlay} {
		b := runningFrom(t, mode, v+"2", v+"2")
		b.Instance = name
		entry := name + "@7-20261123T231500Z.all"
		if err := b.changePool(func(dir *os.File) error {
			return os.MkdirAll(filepath.Join(procPath(dir), ".freshroot/trash", entry), 0o700)
		}); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := b.bless(&out, 1); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		want := v + "2 stays as it is\n"
		if mode == volatile.No || mode == volatile.State {
			want += "deleted " + entry + "\n"
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", mode, diff)
		}
	}
}

// procPath is a path to an open directory.
func procPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

func TestIntegrationGiveBack(t *testing.T) {
	b := runningFrom(t, volatile.Yes, v+"2+1-2", v+"2+1-2", v+"1")
	for _, want := range []string{
		v + "2+1-2 is " + v + "2+2-1 now\n", v + "2+2-1 stays as it is\n",
	} {
		var out strings.Builder
		err := b.giveBack(&out)
		if diff := cmp.Diff(want, out.String()); diff != "" || err != nil {
			t.Errorf("error %v (-want +got):\n%s", err, diff)
		}
	}
	b.CountedBy = ""
	var out strings.Builder
	if err := b.giveBack(&out); err != nil || out.String() != b.Usr+": this boot was not counted\n" {
		t.Errorf("not counted: %q, error %v", out.String(), err)
	}
}

func TestIntegrationMarkBad(t *testing.T) {
	b := runningFrom(t, volatile.No, v+"2", v+"2", v+"1+2-1", "usr:other:x86-64:1", "usr:other:arm64:3")
	for _, c := range []struct{ name, want string }{
		{"2", v + "2 is " + v + "2+0 now\n"},
		{"org.example.os:1", v + "1+2-1 is " + v + "1+0-1 now\n"},
		{"usr:other:arm64:3", "usr:other:arm64:3 is usr:other:arm64:3+0 now\n"},
		{"1", `"1" could be each of usr:org.example.os:x86-64:1+0-1 usr:other:x86-64:1`},
		{"other", `"other" is not in the pool`},
		{"9", `"9" is not in the pool`},
		{"", "VERSION is empty"},
	} {
		var out strings.Builder
		if err := b.markBad(&out, c.name); err != nil {
			out.WriteString(err.Error())
		}
		if diff := cmp.Diff(c.want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestIntegrationMarkBadReadOnly has a disk with its switch on.
func TestIntegrationMarkBadReadOnly(t *testing.T) {
	testfs.Root(t)
	b := runningImage(t, poolImage(t, v+"2", v+"1"), volatile.Yes, v+"2", "--read-only")
	err := b.markBad(io.Discard, "2")
	if !errors.Is(err, errReadOnly) {
		t.Errorf("mark-bad: %v, want %v", err, errReadOnly)
	}
}

// TestIntegrationMarkedBad marks the version that runs, which neither the service that
// blesses nor an orderly shutdown undoes. The next boot may bless it.
func TestIntegrationMarkedBad(t *testing.T) {
	for booted, want := range map[string]string{
		v + "2+0-1": v + "2+0-2", v + "2+1-1": v + "2+0-1", v + "2": v + "2+0",
	} {
		b := runningFrom(t, volatile.No, booted, booted, v+"1")
		var out strings.Builder
		if err := b.markBad(&out, "2"); err != nil {
			t.Fatal(err)
		}
		err := b.bless(&out, 3)
		if err == nil || !strings.Contains(err.Error(), "it was marked bad in this boot") {
			t.Errorf("%s: bless: error %v", booted, err)
		}
		if err := b.giveBack(&out); err != nil {
			t.Error(err)
		}
		said := booted + " is " + want + " now\n" + want + " stays as it is\n"
		if diff := cmp.Diff(said, out.String()); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", booted, diff)
		}
		if diff := cmp.Diff([]string{v + "1", want}, members(t, b)); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", booted, diff)
		}
		b.Usr, b.CountedBy, b.Degraded = want, "", true
		if err := b.bless(&out, 3); err != nil {
			t.Errorf("%s: bless in the next boot: %v", booted, err)
		}
		if diff := cmp.Diff([]string{v + "1", v + "2"}, members(t, b)); diff != "" {
			t.Errorf("%s: blessed in the next boot (-want +got):\n%s", booted, diff)
		}
	}
}

// TestBlessElsewhere is for machines that were booted in another way.
func TestBlessElsewhere(t *testing.T) {
	if _, err := os.Stat(bootFile); err == nil {
		t.Skip("freshroot booted this machine")
	}
	for _, args := range [][]string{{"bless"}, {"mark-bad", "1"}, {"bless", "--give-back"}} {
		if _, err := run(t, args...); !errors.Is(err, errNotBooted) {
			t.Errorf("%q: error %v", args, err)
		}
	}
	var usage usageError
	if _, err := run(t, "mark-bad"); !errors.As(err, &usage) {
		t.Errorf("mark-bad without a version: %v", err)
	}
}
