package instance_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/instance"
)

const name = "root:default:org.example.os:x86-64"

// newPool makes a pool with a golden master whose factory holds these files.
func newPool(t *testing.T, files ...string) (pool, golden *os.File) {
	t.Helper()
	old := unix.Umask(0)
	t.Cleanup(func() { unix.Umask(old) })
	dir := testfs.Btrfs(t, 128)
	usr := filepath.Join(dir, "usr")
	testfs.Run(t, "btrfs", "-q", "subvolume", "create", usr)
	for _, file := range files {
		path := filepath.Join(usr, "share/factory", file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(file), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return testfs.Open(t, dir), testfs.Open(t, usr)
}

// list returns the paths below a directory, with subvolumes marked by a colon.
func list(t *testing.T, dir string) []string {
	t.Helper()
	var paths []string
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || path == dir {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		path = strings.TrimPrefix(path, dir+"/")
		if st.Ino == 256 {
			path += ":"
		}
		paths = append(paths, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(paths)
	return paths
}

func ensure(t *testing.T, pool, golden *os.File) []string {
	t.Helper()
	made, err := instance.Ensure(pool, name, golden)
	if err != nil {
		t.Fatal(err)
	}
	if left := list(t, filepath.Join(pool.Name(), ".freshroot/staging")); left != nil {
		t.Errorf("left in staging: %q", left)
	}
	return made
}

var whole = []string{
	"dev", "etc/hosts", "etc/ssl", "etc/ssl/cert", "etc:", "home", "mnt", "opt", "proc", "root", "run",
	"srv", "srv/site", "sys", "tmp", "usr", "var/lib", "var/lib/db", "var:",
} // sorted

func TestIntegrationEnsureCreates(t *testing.T) {
	pool, golden := newPool(t, "etc/hosts", "etc/ssl/cert", "var/lib/db", "srv/site", "usr/evil", "dev/evil")
	factory := filepath.Join(golden.Name(), "share/factory")
	if err := errors.Join(
		os.Chown(factory+"/etc", 7, 8),
		os.Chmod(factory+"/var", 0o751),
		unix.Setxattr(factory+"/var", "user.a", []byte("b"), 0),
	); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{name}, ensure(t, pool, golden)); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	root := filepath.Join(pool.Name(), name)
	if diff := cmp.Diff(whole, list(t, root)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	stat := testfs.Run(t, "stat", "-c", "%a %u %g", root, root+"/etc", root+"/var", root+"/etc/hosts")
	if want := "755 0 0\n755 7 8\n751 0 0\n640 0 0\n"; stat != want {
		t.Errorf("owners and modes %q, want %q", stat, want)
	}
	if _, err := unix.Getxattr(root+"/var", "user.a", make([]byte, 9)); err != nil {
		t.Errorf("attribute of var: %v", err)
	}
	if made := ensure(t, pool, golden); made != nil {
		t.Errorf("made again: %q", made)
	}
}

// TestIntegrationEnsureRepairs sees that an empty or a missing part is made anew, and
// the rest not touched.
func TestIntegrationEnsureRepairs(t *testing.T) {
	pool, golden := newPool(t, "etc/hosts", "etc/ssl/cert", "var/lib/db", "srv/site")
	ensure(t, pool, golden)
	root := filepath.Join(pool.Name(), name)
	for title, spoil := range map[string]func() error{
		"empty subvolume": func() error { return os.RemoveAll(root + "/etc/hosts") },
		"missing":         func() error { return os.RemoveAll(root + "/etc") },
		"empty directory": func() error { return errors.Join(os.RemoveAll(root+"/etc"), os.Mkdir(root+"/etc", 0o755)) },
	} {
		if title == "empty subvolume" {
			if err := os.RemoveAll(root + "/etc/ssl"); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(spoil(), os.WriteFile(root+"/var/mine", nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"etc"}, ensure(t, pool, golden)); diff != "" {
			t.Errorf("%s: made (-want +got):\n%s", title, diff)
		}
		want := append([]string{"var/mine"}, whole...)
		sort.Strings(want)
		if diff := cmp.Diff(want, list(t, root)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", title, diff)
		}
	}
}

func TestIntegrationEnsureWithoutFactory(t *testing.T) {
	pool, golden := newPool(t)
	ensure(t, pool, golden)
	if made := ensure(t, pool, golden); made != nil {
		t.Errorf("made again: %q", made)
	}
}

// TestIntegrationEnsureClearsStaging starts where power went while an instance was
// made.
func TestIntegrationEnsureClearsStaging(t *testing.T) {
	pool, golden := newPool(t, "etc/hosts", "etc/ssl/cert", "var/lib/db", "srv/site")
	staging := filepath.Join(pool.Name(), ".freshroot/staging")
	if err := os.MkdirAll(staging+"/dir", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, subvol := range []string{name, name + "/etc", name + "/var", "etc"} {
		testfs.Run(t, "btrfs", "-q", "subvolume", "create", filepath.Join(staging, subvol))
	}
	for i, file := range []string{name + "/etc/half", name + "/half", "file"} {
		if err := os.WriteFile(filepath.Join(staging, file), []byte(fmt.Sprint(i)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ensure(t, pool, golden)
	if diff := cmp.Diff(whole, list(t, filepath.Join(pool.Name(), name))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestIntegrationEnsureHostile has links and files where directories are expected:
// nothing behind a link may change.
func TestIntegrationEnsureHostile(t *testing.T) {
	for _, at := range []string{".freshroot", ".freshroot/staging", name, name + "/etc"} {
		for kind, plant := range map[string]func(outside, path string) error{
			"link": os.Symlink,
			"file": func(_, path string) error { return os.WriteFile(path, nil, 0o600) },
		} {
			pool, golden := newPool(t, "etc/hosts", "var/lib/db")
			outside := t.TempDir()
			path := filepath.Join(pool.Name(), at)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), plant(outside, path)); err != nil {
				t.Fatal(err)
			}
			if _, err := instance.Ensure(pool, name, golden); !errors.Is(err, unix.ENOTDIR) && !errors.Is(err, unix.ELOOP) {
				t.Errorf("%s at %s: error %v", kind, at, err)
			}
			if found := list(t, outside); found != nil {
				t.Errorf("%s at %s: made outside: %q", kind, at, found)
			}
		}
	}
}

func TestIntegrationEnsureReadOnly(t *testing.T) {
	pool, golden := newPool(t, "etc/hosts", "var/lib/db")
	testfs.Run(t, "mount", "-o", "remount,ro", pool.Name())
	if _, err := instance.Ensure(pool, name, golden); !errors.Is(err, unix.EROFS) {
		t.Errorf("error %v, want %v", err, unix.EROFS)
	}
}
