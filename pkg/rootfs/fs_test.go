package rootfs_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// newFS makes a root with files that hold their own name, and links.
func newFS(t *testing.T, names []string, links map[string]string) (string, fs.FS) {
	t.Helper()
	root := newRoot(t, names...)
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(root, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	return root, rootfs.FS(testfs.Open(t, root))
}

// TestFSConforms has the standard library look for what an fs.FS must not do.
func TestFSConforms(t *testing.T) {
	_, fsys := newFS(t, []string{"etc/a", "etc/b.d/c", "usr/d"}, nil)
	if err := fstest.TestFS(fsys, "etc/a", "etc/b.d/c", "usr/d"); err != nil {
		t.Error(err)
	}
}

// TestFSLinks resolves links as if the root were the root of everything.
func TestFSLinks(t *testing.T) {
	_, fsys := newFS(t, []string{"etc/a", "usr/b"}, map[string]string{
		"abs": "/etc/a", "up": "../../../usr/b", "dir": "/usr", "loop": "loop",
		"out": "/proc/version", "etc/rel": "../usr/b",
	})
	for name, want := range map[string]string{
		"abs": "etc/a", "up": "usr/b", "dir/b": "usr/b", "etc/rel": "usr/b",
	} {
		got, err := fs.ReadFile(fsys, name)
		if err != nil || string(got) != want {
			t.Errorf("ReadFile(%s) = %q, %v, want %q", name, got, err, want)
		}
	}
	for name, want := range map[string]error{
		"out": fs.ErrNotExist, "none": fs.ErrNotExist, "loop": unix.ELOOP,
		"etc": unix.EISDIR, "etc/a/x": unix.ENOTDIR,
		"../etc": fs.ErrInvalid, "/etc": fs.ErrInvalid,
	} {
		if _, err := fs.ReadFile(fsys, name); !errors.Is(err, want) {
			t.Errorf("ReadFile(%s): %v, want %v", name, err, want)
		}
	}
	if target, err := fs.ReadLink(fsys, "dir"); err != nil || target != "/usr" {
		t.Errorf("ReadLink = %q, %v", target, err)
	}
	if _, err := fs.ReadLink(fsys, "usr"); !errors.Is(err, unix.EINVAL) {
		t.Errorf("ReadLink of a directory: %v", err)
	}
}

func TestFSDirectories(t *testing.T) {
	_, fsys := newFS(t, []string{"etc/b", "etc/a"}, map[string]string{"link": "etc"})
	entries, err := fs.ReadDir(fsys, "link")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, want := range map[string][2]bool{"link": {true, false}, "etc": {true, true}} {
		info, err := fs.Stat(fsys, name)
		if err != nil {
			t.Fatal(err)
		}
		linfo, err := fs.Lstat(fsys, name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, [2]bool{info.IsDir(), linfo.IsDir()}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestFSRefuses sees that nothing is waited for, and no memory taken for what is huge.
func TestFSRefuses(t *testing.T) {
	root, fsys := newFS(t, []string{"big"}, nil)
	if err := os.Truncate(filepath.Join(root, "big"), 1<<40); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(root, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{"big": unix.EFBIG, "fifo": unix.EINVAL} {
		if _, err := fs.ReadFile(fsys, name); !errors.Is(err, want) {
			t.Errorf("ReadFile(%s): %v, want %v", name, err, want)
		}
	}
}
