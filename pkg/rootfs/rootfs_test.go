package rootfs_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/rootfs"
)

// tree is what a directory holds: names with the mode, or the target of a link.
type tree map[string]string

func snapshot(t *testing.T, root string) tree {
	t.Helper()
	got := tree{}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name()] = info.Mode().String()
		if target, err := os.Readlink(filepath.Join(root, e.Name())); err == nil {
			got[e.Name()] = target
		}
	}
	return got
}

// newRoot makes a root with a /usr of these directories, files and links.
func newRoot(t *testing.T, names ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range names {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func complete(t *testing.T, root string) error {
	t.Helper()
	old := unix.Umask(0)
	defer unix.Umask(old)
	dir, err := os.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	return rootfs.Complete(dir)
}

func base() tree {
	return tree{
		"usr": "drwxr-xr-x", "etc": "drwxr-xr-x", "var": "drwxr-xr-x",
		"proc": "dr-xr-xr-x", "sys": "dr-xr-xr-x", "dev": "dr-xr-xr-x", "run": "dr-xr-xr-x",
		"home": "drwxr-xr-x", "root": "drwx------", "srv": "drwxr-xr-x", "opt": "drwxr-xr-x",
		"mnt": "drwxr-xr-x", "tmp": "dtrwxrwxrwx",
	}
}

func TestComplete(t *testing.T) {
	loader := map[string]string{"amd64": "ld-linux-x86-64.so.2", "arm64": "ld-linux-aarch64.so.1"}[runtime.GOARCH]
	if loader == "" {
		t.Skip("no loader of this architecture is known to the test")
	}
	for name, tc := range map[string]struct {
		usr  []string
		want tree
	}{
		"empty": {nil, tree{}},
		"debian": {[]string{"usr/bin/sh", "usr/sbin/init", "usr/lib/x", "usr/lib64/" + loader, "usr/lib32/x"},
			tree{"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64", "lib32": "usr/lib32"}},
		"one lib": {[]string{"usr/bin/sh", "usr/lib/" + loader},
			tree{"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib"}},
		"static": {[]string{"usr/bin/sh"}, tree{"bin": "usr/bin"}},
	} {
		root := newRoot(t, tc.usr...)
		if err := complete(t, root); err != nil {
			t.Fatal(err)
		}
		want := base()
		for k, v := range tc.want {
			want[k] = v
		}
		if diff := cmp.Diff(want, snapshot(t, root)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestCompleteKeepsWhatExists also sees that nothing outside of the root is made
// through a link in it.
func TestCompleteKeepsWhatExists(t *testing.T) {
	root, outside := newRoot(t, "usr/bin/sh", "bin", "home"), t.TempDir()
	for name, target := range map[string]string{"etc": outside, "tmp": "nowhere", "usr/sbin": outside + "/sbin"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(root, "root"), 0o711); err != nil {
		t.Fatal(err)
	}
	if err := complete(t, root); err != nil {
		t.Fatal(err)
	}
	want := base()
	want["etc"], want["tmp"], want["root"] = outside, "nowhere", "drwx--x--x"
	want["bin"], want["home"] = "-rw-r--r--", "-rw-r--r--"
	if diff := cmp.Diff(want, snapshot(t, root)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := snapshot(t, outside); len(got) > 0 {
		t.Errorf("made outside: %v", got)
	}
}

func TestOpenDir(t *testing.T) {
	root := newRoot(t, "a/b/file")
	for name, target := range map[string]string{"up": "..", "abs": "/etc", "in": "a"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for name, want := range map[string]error{
		"a/b": nil, "a": nil, ".": nil,
		"a/c": fs.ErrNotExist, "a/b/file": unix.ENOTDIR,
		"..": unix.EXDEV, "a/../..": unix.EXDEV, "/etc": unix.EXDEV,
		"up": unix.ELOOP, "abs": unix.ELOOP, "in": unix.ELOOP, "in/b": unix.ELOOP,
	} {
		f, err := rootfs.OpenDir(dir, name)
		if err == nil {
			f.Close()
		}
		if !errors.Is(err, want) {
			t.Errorf("OpenDir(%q) = %v, want %v", name, err, want)
		}
	}
}
