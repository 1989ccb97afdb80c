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

// factory is that of most tests.
var factory = files{"etc/hosts": "h", "etc/ssl/cert": "c", "var/lib/db": "d", "srv/site": "s"}

var whole = []string{
	".freshroot", ".freshroot/" + vendor + "1", ".freshroot/" + vendor + "1/base/hosts",
	".freshroot/" + vendor + "1/base/ssl", ".freshroot/" + vendor + "1/base/ssl/cert",
	".freshroot/" + vendor + "1/base:",
	"dev", "etc/.freshroot", "etc/hosts", "etc/ssl", "etc/ssl/cert", "etc:", "home", "mnt", "opt", "proc",
	"root", "run", "srv", "srv/site", "sys", "tmp", "usr", "var/.freshroot", "var/lib", "var/lib/db", "var:",
} // sorted

func TestIntegrationEnsureCreates(t *testing.T) {
	m := newMachine(t, 128)
	dir := m.release("1", factory)
	m.write(dir, files{"usr/evil": "", "dev/evil": "", ".freshroot/evil": "", "etc/.freshroot": "evil"})
	if err := errors.Join(
		os.Chown(dir+"/etc", 7, 8),
		os.Chmod(dir+"/var", 0o751),
		unix.Setxattr(dir+"/var", "user.a", []byte("b"), 0),
	); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(instance.Result{Made: []string{name}}, m.boot("1")); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(whole, list(t, m.root)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	stat := testfs.Run(t, "stat", "-c", "%a %u %g", m.root, m.path("etc"), m.path("var"), m.path("etc/hosts"),
		m.path(".freshroot"), m.path("etc/.freshroot"))
	if want := "755 0 0\n755 7 8\n751 0 0\n644 0 0\n700 0 0\n644 0 0\n"; stat != want {
		t.Errorf("owners and modes %q, want %q", stat, want)
	}
	if _, err := unix.Getxattr(m.path("var"), "user.a", make([]byte, 9)); err != nil {
		t.Errorf("attribute of var: %v", err)
	}
	if got := testfs.Run(t, "btrfs", "property", "get", m.store("1", "base"), "ro"); got != "ro=true\n" {
		t.Errorf("the base is %q", got)
	}
	for _, part := range []string{"etc", "var"} {
		if got, want := m.read(part+"/.freshroot"), vendor+"1\n"; got != want {
			t.Errorf("stamp of %s: %q, want %q", part, got, want)
		}
	}
	if diff := cmp.Diff(instance.Result{}, m.boot("1")); diff != "" {
		t.Errorf("again (-want +got):\n%s", diff)
	}
}

// TestIntegrationEnsureRepairs sees that an empty or a missing part is made anew, and
// the rest not touched.
func TestIntegrationEnsureRepairs(t *testing.T) {
	m := newMachine(t, 128)
	m.release("1", factory)
	m.boot("1")
	for title, spoil := range map[string]func() error{
		"empty subvolume": func() error { return errors.Join(os.Remove(m.path("etc/hosts")), os.RemoveAll(m.path("etc/ssl"))) },
		"missing":         func() error { return os.RemoveAll(m.path("etc")) },
		"empty directory": func() error { return errors.Join(os.RemoveAll(m.path("etc")), os.Mkdir(m.path("etc"), 0o755)) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		m.edit(files{"var/mine": ""})
		if diff := cmp.Diff(instance.Result{Made: []string{"etc"}}, m.boot("1")); diff != "" {
			t.Errorf("%s: made (-want +got):\n%s", title, diff)
		}
		want := append([]string{"var/mine"}, whole...)
		sort.Strings(want)
		if diff := cmp.Diff(want, list(t, m.root)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", title, diff)
		}
	}
}

// TestIntegrationEnsureWithoutFactory has an OS that makes its /etc by itself: no
// version populates it, and none touches it.
func TestIntegrationEnsureWithoutFactory(t *testing.T) {
	m := newMachine(t, 128)
	m.release("1", nil)
	m.release("2", nil)
	m.boot("1")
	m.edit(files{"etc/mine": "m", "etc/.updated": "", "var/.updated": ""})
	for _, tc := range []struct {
		version string
		want    files
	}{
		{"1", files{"mine": "m", ".updated": ""}},
		{"2", files{"mine": "m"}},
	} {
		if diff := cmp.Diff(instance.Result{}, m.boot(tc.version)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.version, diff)
		}
		if diff := cmp.Diff(tc.want, m.etc()); diff != "" {
			t.Errorf("%s: etc (-want +got):\n%s", tc.version, diff)
		}
	}
}

// TestIntegrationEnsureClearsStaging starts where power went while an instance was
// made.
func TestIntegrationEnsureClearsStaging(t *testing.T) {
	m := newMachine(t, 128)
	m.release("1", factory)
	staging := filepath.Join(m.pool.Name(), ".freshroot/staging")
	store := name + "/.freshroot/" + vendor + "1"
	if err := os.MkdirAll(staging+"/dir/sub", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, subvol := range []string{name, name + "/etc", name + "/var", "etc", "base"} {
		testfs.Run(t, "btrfs", "-q", "subvolume", "create", filepath.Join(staging, subvol))
	}
	if err := os.MkdirAll(filepath.Join(staging, store), 0o755); err != nil {
		t.Fatal(err)
	}
	testfs.Run(t, "btrfs", "-q", "subvolume", "snapshot", "-r", staging+"/base", filepath.Join(staging, store, "base"))
	for i, file := range []string{name + "/etc/half", name + "/half", "file", "dir/sub/file"} {
		if err := os.WriteFile(filepath.Join(staging, file), []byte(fmt.Sprint(i)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m.boot("1")
	if diff := cmp.Diff(whole, list(t, m.root)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestIntegrationEnsureHostile has links and files where directories are expected:
// nothing behind a link may change.
func TestIntegrationEnsureHostile(t *testing.T) {
	for _, at := range []string{".freshroot", ".freshroot/staging", name, name + "/etc", name + "/.freshroot"} {
		for kind, plant := range map[string]func(outside, path string) error{
			"link": os.Symlink,
			"file": func(_, path string) error { return os.WriteFile(path, nil, 0o600) },
		} {
			m := newMachine(t, 128)
			m.release("1", factory)
			outside := t.TempDir()
			path := filepath.Join(m.pool.Name(), at)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), plant(outside, path)); err != nil {
				t.Fatal(err)
			}
			_, err := m.target("1").Ensure()
			if !errors.Is(err, unix.ENOTDIR) && !errors.Is(err, unix.ELOOP) {
				t.Errorf("%s at %s: error %v", kind, at, err)
			}
			if found := list(t, outside); found != nil {
				t.Errorf("%s at %s: made outside: %q", kind, at, found)
			}
		}
	}
}

func TestIntegrationEnsureReadOnly(t *testing.T) {
	m := newMachine(t, 128)
	m.release("1", factory)
	testfs.Run(t, "mount", "-o", "remount,ro", m.pool.Name())
	if _, err := m.target("1").Ensure(); !errors.Is(err, unix.EROFS) {
		t.Errorf("error %v, want %v", err, unix.EROFS)
	}
}
