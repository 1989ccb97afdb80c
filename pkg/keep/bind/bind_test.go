package bind_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/keep"
	"github.com/freshroot/freshroot/pkg/keep/bind"
)

// sides are a fresh root in RAM and an instance on btrfs, with /etc and /var as
// subvolumes of their own.
type sides struct{ root, instance *os.File }

func newSides(t *testing.T) sides {
	t.Helper()
	pool, root := testfs.Btrfs(t, 128), testfs.Tmpfs(t, "size=8m,mode=0755")
	top := testfs.Open(t, pool)
	must(t, btrfs.CreateSubvolume(top, "root:x"))
	s := sides{testfs.Open(t, root), testfs.Open(t, pool+"/root:x")}
	for _, part := range []string{"etc", "var"} {
		must(t, btrfs.CreateSubvolume(s.instance, part))
		must(t, os.Mkdir(filepath.Join(root, part), 0o755))
	}
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put makes files ("a/b=content"), directories ("a/b/") and links ("a/b->target").
func put(t *testing.T, top *os.File, entries ...string) {
	t.Helper()
	for _, entry := range entries {
		link, target, isLink := strings.Cut(entry, "->")
		name, content, isFile := strings.Cut(entry, "=")
		path := filepath.Join(top.Name(), name)
		switch {
		case isLink:
			must(t, os.Symlink(target, filepath.Join(top.Name(), link)))
		case isFile:
			must(t, os.MkdirAll(filepath.Dir(path), 0o755))
			must(t, os.WriteFile(path, []byte(content), 0o644))
		default:
			must(t, os.MkdirAll(path, 0o755))
		}
	}
}

// list returns what a tree holds, files with their content.
func list(t *testing.T, top string) (entries []string) {
	t.Helper()
	must(t, filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == top {
			return err
		}
		entry := strings.TrimPrefix(path, top+"/")
		switch {
		case d.IsDir():
			entry += "/"
		case d.Type()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(path)
			entry += "->" + target
		default:
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			entry += "=" + string(content)
		}
		entries = append(entries, entry)
		return nil
	}))
	return entries
}

func same(t *testing.T, what string, want, got []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// kept binds by the rules in text, and returns the problems as text.
func (s sides) kept(t *testing.T, text, below string) (bound, problems []string) {
	t.Helper()
	rules, bad := keep.Parse("f", text)
	must(t, errors.Join(bad...))
	bound, errs := bind.Kept(s.root, s.instance, rules, below)
	for _, err := range errs {
		line := strings.NewReplacer(s.root.Name(), "ROOT", s.instance.Name(), "INSTANCE").Replace(err.Error())
		problems = append(problems, line)
	}
	return bound, problems
}

func TestIntegrationKept(t *testing.T) {
	s := newSides(t)
	put(t, s.instance, "etc/ssh/key_a=A", "etc/ssh/key_b=B", "etc/ssh/other=o", "etc/machine-id=id",
		"var/lib/full/x=saved", "var/lib/taken/deep/x=saved", "var/lib/empty/")
	put(t, s.root, "etc/ssh/key_a=factory", "etc/ssh/conf=factory", "var/lib/full/y=factory",
		"var/lib/empty/sub/z=factory", "var/lib/new/sub/z=factory", "var/lib/new/l->/etc")
	bound, problems := s.kept(t, `
/etc/ssh/key_* reboot
/etc/machine-id reboot
/etc/absent reboot
/var/lib/full/ reboot
/var/lib/full/x reboot
/var/lib/empty/ reboot
/var/lib/new/ reboot
/var/spool/a/b/ reboot
/var/lib/taken/ reboot
!/var/lib/taken reboot
/etc/ssh/other update`, "/")
	same(t, "problems", nil, problems)
	same(t, "bound", []string{"/etc/machine-id", "/etc/ssh/key_a", "/etc/ssh/key_b", "/var/lib/empty",
		"/var/lib/full", "/var/lib/new", "/var/spool/a/b"}, bound)
	same(t, "root", []string{"etc/", "etc/machine-id=id", "etc/ssh/", "etc/ssh/conf=factory", "etc/ssh/key_a=A",
		"etc/ssh/key_b=B", "var/", "var/lib/", "var/lib/empty/", "var/lib/empty/sub/",
		"var/lib/empty/sub/z=factory", "var/lib/full/", "var/lib/full/x=saved", "var/lib/new/",
		"var/lib/new/l->/etc", "var/lib/new/sub/", "var/lib/new/sub/z=factory",
		"var/spool/", "var/spool/a/", "var/spool/a/b/"}, list(t, s.root.Name()))

	put(t, s.root, "var/lib/new/written=w", "var/spool/a/b/mail=m", "etc/machine-id=id2")
	same(t, "instance", []string{"etc/", "etc/machine-id=id2", "etc/ssh/", "etc/ssh/key_a=A",
		"etc/ssh/key_b=B", "etc/ssh/other=o", "var/", "var/lib/", "var/lib/empty/", "var/lib/empty/sub/",
		"var/lib/empty/sub/z=factory", "var/lib/full/", "var/lib/full/x=saved", "var/lib/new/",
		"var/lib/new/l->/etc", "var/lib/new/sub/", "var/lib/new/sub/z=factory", "var/lib/new/written=w",
		"var/lib/taken/", "var/lib/taken/deep/", "var/lib/taken/deep/x=saved", "var/spool/",
		"var/spool/a/", "var/spool/a/b/", "var/spool/a/b/mail=m"}, list(t, s.instance.Name()))
	// What docs/keep.md warns of.
	err := os.Rename(s.root.Name()+"/etc/ssh/conf", s.root.Name()+"/etc/machine-id")
	if !errors.Is(err, unix.EBUSY) {
		t.Errorf("rename over a bound file: %v, want %v", err, unix.EBUSY)
	}
}

// TestIntegrationKeptBelow is volatile=state: only /var is fresh.
func TestIntegrationKeptBelow(t *testing.T) {
	s := newSides(t)
	put(t, s.instance, "etc/a=1", "var/a=1", "variable=1")
	bound, problems := s.kept(t, "/etc/a reboot\n/var/a reboot\n/variable reboot", "/var")
	same(t, "problems", nil, problems)
	same(t, "bound", []string{"/var/a"}, bound)
}

// TestIntegrationKeptAttributes sees whose attributes are given to what is made.
func TestIntegrationKeptAttributes(t *testing.T) {
	s := newSides(t)
	put(t, s.root, "var/lib/private/app/x=factory")
	put(t, s.instance, "var/spool/jobs/empty/", "var/spool/jobs/file=1")
	for _, step := range []struct {
		top  *os.File
		name string
		mode fs.FileMode
		id   int
	}{
		{s.root, "var/lib/private", 0o700, 11}, {s.root, "var/lib/private/app", 0o750, 12},
		{s.instance, "var/spool", 0o711, 13}, {s.instance, "var/spool/jobs", 0o1770, 14},
		{s.instance, "var/spool/jobs/empty", 0o500, 15},
	} {
		path := filepath.Join(step.top.Name(), step.name)
		must(t, errors.Join(os.Chown(path, step.id, step.id), unix.Chmod(path, uint32(step.mode))))
	}
	_, problems := s.kept(t, "/var/lib/private/app/ reboot\n/var/spool/jobs/empty/ reboot\n"+
		"/var/spool/jobs/file reboot\n/srv/plain/ reboot", "/")
	same(t, "problems", nil, problems)
	for name, want := range map[string]string{
		"var/lib/private": "700 11 11", "var/lib/private/app": "750 12 12", "var/spool": "711 13 13",
		"var/spool/jobs": "1770 14 14", "var/spool/jobs/empty": "500 15 15", "srv/plain": "755 0 0",
	} {
		for _, top := range []*os.File{s.root, s.instance} {
			var st unix.Stat_t
			must(t, unix.Lstat(filepath.Join(top.Name(), name), &st))
			if got := fmt.Sprintf("%o %d %d", st.Mode&0o7777, st.Uid, st.Gid); got != want {
				t.Errorf("%s in %s: %s, want %s", name, top.Name(), got, want)
			}
		}
	}
}

// TestIntegrationKeptHostile plants links on both sides: nothing is followed, nothing is
// made elsewhere, and the rest is bound.
func TestIntegrationKeptHostile(t *testing.T) {
	s := newSides(t)
	outside := t.TempDir()
	put(t, s.instance, "etc/link->"+outside, "etc/up->../../..", "etc/good=1", "etc/file=1", "var/lib/",
		"etc/dir/", "etc/rootlink/x=1", "etc/filelink=1")
	put(t, s.root, "etc/rootlink->"+outside, "etc/filelink->"+outside+"/f", "var/lib->"+outside,
		"etc/file/", "etc/dir=1")
	must(t, unix.Mkfifo(s.instance.Name()+"/etc/fifo", 0o600))
	bound, problems := s.kept(t, `
/etc/link/ reboot
/etc/link/x reboot
/etc/up/ reboot
/etc/fifo reboot
/etc/rootlink/ reboot
/etc/filelink reboot
/var/lib/app/ reboot
/etc/file reboot
/etc/dir/ reboot
/etc/good reboot`, "/")
	same(t, "bound", []string{"/etc/good"}, bound)
	same(t, "problems", []string{
		`keep "/etc/dir": bind "INSTANCE/etc/dir" on "ROOT/etc/dir": only one is a directory`,
		`keep "/etc/fifo": open "INSTANCE/etc/fifo": neither a file nor a directory`,
		`keep "/etc/file": bind "INSTANCE/etc/file" on "ROOT/etc/file": only one is a directory`,
		`keep "/etc/filelink": open "ROOT/etc/filelink": too many levels of symbolic links`,
		`keep "/etc/link": open "INSTANCE/etc/link": too many levels of symbolic links`,
		`keep "/etc/rootlink": open "ROOT/etc/rootlink": too many levels of symbolic links`,
		`keep "/etc/up": open "INSTANCE/etc/up": too many levels of symbolic links`,
		`keep "/var/lib/app": open "ROOT/var/lib/app": too many levels of symbolic links`,
	}, problems)
	same(t, "outside", nil, list(t, outside))
}

// TestIntegrationKeptReadOnly binds what is there and says what it could not make.
func TestIntegrationKeptReadOnly(t *testing.T) {
	s := newSides(t)
	put(t, s.instance, "var/a/x=1")
	testfs.Run(t, "mount", "-o", "remount,ro", filepath.Dir(s.instance.Name()))
	bound, problems := s.kept(t, "/var/a/ reboot\n/var/b/ reboot", "/")
	same(t, "bound", []string{"/var/a"}, bound)
	same(t, "problems", []string{
		`keep "/var/b": make directory "INSTANCE/var/.freshroot-keep": read-only file system`}, problems)
}

// TestIntegrationKeptAgain finds what a boot that lost power has left.
func TestIntegrationKeptAgain(t *testing.T) {
	s := newSides(t)
	put(t, s.instance, "var/lib/.freshroot-keep/app/half=")
	put(t, s.root, "var/lib/app/whole=w")
	bound, problems := s.kept(t, "/var/lib/app/ reboot", "/")
	same(t, "problems", nil, problems)
	same(t, "bound", []string{"/var/lib/app"}, bound)
	same(t, "instance", []string{"lib/", "lib/app/", "lib/app/whole=w"}, list(t, s.instance.Name()+"/var"))
}

// TestIntegrationKeptFull leaves the fresh root as it is when the pool is full.
func TestIntegrationKeptFull(t *testing.T) {
	s := newSides(t)
	put(t, s.root, "var/lib/app/big="+strings.Repeat("x", 6<<20))
	filler, err := os.Create(s.instance.Name() + "/filler")
	must(t, err)
	defer filler.Close()
	for err == nil {
		_, err = filler.Write(make([]byte, 1<<20))
	}
	_, problems := s.kept(t, "/var/lib/app/ reboot", "/")
	if len(problems) != 1 || !strings.Contains(problems[0], "no space left") {
		t.Errorf("problems %q", problems)
	}
	if got, _ := os.ReadDir(s.instance.Name() + "/var/lib"); len(got) != 0 {
		t.Errorf("left in the instance: %v", got)
	}
	if _, err := os.Stat(s.root.Name() + "/var/lib/app/big"); err != nil {
		t.Error(err)
	}
}
