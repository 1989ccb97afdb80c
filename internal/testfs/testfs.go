// Package testfs mounts file systems for tests, which need root for it.
//
// What is mounted is gone when the test ends. Without root, or without the tool that
// makes the file system, the test is skipped; where CI is set, it fails.
package testfs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Btrfs mounts a new btrfs of some MiB (at least 110) and returns its directory.
func Btrfs(t testing.TB, mib int64) string {
	t.Helper()
	Root(t)
	file := filepath.Join(t.TempDir(), "btrfs.img")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, mib<<20); err != nil {
		t.Fatal(err)
	}
	Run(t, "mkfs.btrfs", "-q", file)
	dir := t.TempDir()
	// mount(8) sets up the loop device so that it goes with the mount.
	Run(t, "mount", "-t", "btrfs", "-o", "loop,noatime", file, dir)
	unmount(t, dir)
	return dir
}

// Powercut takes the power from a file system of Btrfs, in which nothing may be open: what
// is in its directory then is what was written to the disk so far, without what the file
// system still meant to write.
func Powercut(t testing.TB, dir string) {
	t.Helper()
	source := strings.TrimSpace(Run(t, "findmnt", "-no", "SOURCE", dir))
	device, _, _ := strings.Cut(source, "[") // a subvolume may follow
	file := strings.TrimSpace(Run(t, "losetup", "-nO", "BACK-FILE", device))
	cut := filepath.Join(t.TempDir(), "cut.img")
	Run(t, "cp", "--sparse=always", file, cut)
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatalf("unmount %s: %v", dir, err)
	}
	Run(t, "mount", "-t", "btrfs", "-o", "loop", cut, dir)
}

// Tmpfs mounts a tmpfs with options, such as "size=1m", and returns its directory.
func Tmpfs(t testing.TB, options string) string {
	t.Helper()
	Root(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatalf("mount tmpfs: %v", err)
	}
	unmount(t, dir)
	return dir
}

// Root skips a test that is not run by root.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "needs root")
	}
}

// Tool returns the path of a program that a test needs.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, err.Error())
	}
	return path
}

// Open opens a file or directory until the test ends.
func Open(t testing.TB, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// missing skips a test, except where nothing may be skipped.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// Run runs a program and returns what it prints.
func Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(Tool(t, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func unmount(t testing.TB, dir string) {
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}
