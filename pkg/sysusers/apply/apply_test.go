package apply_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/internal/trixie"
	"github.com/freshroot/freshroot/pkg/sysusers"
	"github.com/freshroot/freshroot/pkg/sysusers/apply"
)

// config is a file of configuration.
func config(lines ...string) file {
	return file{path: "usr/lib/sysusers.d/a.conf", text: strings.Join(lines, "\n") + "\n", mode: 0o644}
}

func etc(name, text string) file { return file{path: "etc/" + name, text: text, mode: 0o644} }

// TestIntegrationByHand compares with systemd-sysusers where people have been bitten.
func TestIntegrationByHand(t *testing.T) {
	testfs.Root(t)
	program := trixie.Sysusers(t)
	for name, files := range map[string][]file{
		"nothing there":                   {config("u root 0 Super /root", "g wheel 10", "u svc -", "m svc wheel")},
		"nothing to do":                   {config(), etc("passwd", "# kept\na:x:1:1::/:\n")},
		"all there":                       {config("u a 1"), etc("passwd", "# kept\na:x:1:1::/:\n"), etc("group", "a:x:1:\n")},
		"user without group":              {config("u a 5", "u b -"), etc("passwd", "a:x:5:5::/:\n")},
		"group without user":              {config("u a -", "u b 998"), etc("group", "a:x:998:\n")},
		"only in shadow":                  {config("u! a -"), etc("shadow", "a:$6$x:1:2:3:4:5:6:7\nb:*:1::::::\na:x:1::::::\n")},
		"only in gshadow":                 {config("g a -", "u b -"), etc("gshadow", "a:secret::\n")},
		"group of a user only in gshadow": {config("u a -"), etc("gshadow", "a:secret::\n")},
		"directory service": {config("u a 0", "g b 0", "m a b"), etc("passwd", "x:x:7:7::/:\n+\ny:x:8:8::/:\n"),
			etc("group", "x:x:7:\n-b\n+:::\ny:x:8:\n"), etc("shadow", "x:*:1::::::\n+\n"), etc("gshadow", "+\nx:*::\n")},
		"uid of another group":  {config("u a 50"), etc("group", "staff:x:50:\n")},
		"uid and gid":           {config("u a 50:60", "u b 51:staff", "u c -:staff", "u d 7:8"), etc("group", "staff:x:60:\n")},
		"group comes later":     {config("u a -:b", "g b 70", "u c -:a", "u d 5:none")},
		"group of a later user": {config("u a -:b", "u b 70")},
		"fixed before free":     {config("g a -", "g b 999", "u c -", "u d 998")},
		"member to present":     {config("m a staff", "m b staff"), etc("group", "staff:x:50:b,zoe\n"), etc("gshadow", "staff:!:adm:zoe\n")},
		"member there already":  {config("u b 7", "m b staff"), etc("group", "staff:x:50:zoe,b\nb:x:7:\n"), etc("passwd", "b:x:7:7::/:\n")},
		"ranges":                {config("r - 500-502", "r - 503", "r - 100-101", "g a -", "g b -", "g c -", "g d -", "g e -", "g f -", "g g -")},
		"broken line":           {config("u", "u a -", "u b 65535", "x y"), etc("passwd", "::\n")},
		"no line end":           {{path: "etc/sysusers.d/b.conf", text: "u a -", mode: 0o644}, config("u c -")},
		"masked":                {{path: "etc/sysusers.d/a.conf", mode: 0o644}, config("u a -")},
		"files of owners": {{path: "srv/a", mode: 0o600, uid: 500, gid: 501}, {path: "srv/big", mode: 0o600, uid: 5000, gid: 5000},
			config("u a /srv/a", "g b /srv/a", "u c /srv/big", "u d /srv/none", "u e /srv/a")},
		"links": {config("u a -"), etc("passwd.real", "b:x:1:1::/:\n"),
			{path: "etc/passwd", text: "passwd.real", mode: os.ModeSymlink}, {path: "etc/group", text: "none", mode: os.ModeSymlink}},
		"zero bytes": {config("u a -"), etc("passwd", "b:x:1:1::/:\x00junk\nc:x\x00:2:2::/:\n\x00\nd:x:3:3::/:\n"),
			etc("group", "b:x:1:x\x00,y\n\x00c:x:2:\n"), etc("shadow", "b:*\x00:1::::::\nc:*:1:2:3\x00\n"), etc("gshadow", "b:\x00\n")},
		"long lines": {config("u a -", "m a b"), etc("group", "b:x:1:"+strings.Repeat("someone,", 20000)+"\n"),
			etc("gshadow", "b:!:"+strings.Repeat("anyone,", 20000)+":c\n"),
			etc("passwd", "b:x:1:1:"+strings.Repeat("long ", 20000)+":/:/bin/sh\n")},
		"carriage returns": {config("u a -"), etc("passwd", "b:x:1:1::/:/bin/sh\r\n"), etc("group", "b:x:1:\r\nc:x:2\r\n")},
		"unwritable entry": {config("u a -"), etc("passwd", "b:x:1:1::/:/bin/sh:x\n")},
	} {
		t.Run(name, func(t *testing.T) { compare(t, program, state{files: files}) })
	}
}

// TestIntegrationShipped compares what this machine's own configuration brings, to an
// empty /etc and to the machine's own.
func TestIntegrationShipped(t *testing.T) {
	testfs.Root(t)
	program := trixie.Sysusers(t)
	var shipped, present []file
	for _, pattern := range []string{"usr/lib/sysusers.d/*.conf", "etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"} {
		paths, err := filepath.Glob("/" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f := file{path: path[1:], text: string(text), mode: 0o640}
			if strings.HasPrefix(pattern, "usr") {
				shipped = append(shipped, f)
			} else {
				present = append(present, f)
			}
		}
	}
	compare(t, program, state{files: shipped})
	compare(t, program, state{files: append(shipped, present...)})
}

// populate gives a root what its configuration brings.
func populate(t *testing.T, dir string) (notes []string, err error) {
	t.Helper()
	return notes, apply.Populate(testfs.Open(t, dir), today, func(n sysusers.Note) {
		notes = append(notes, n.Text)
	})
}

// TestEtcLeadsOut sees that an /etc that is a link is looked for beneath the root.
func TestEtcLeadsOut(t *testing.T) {
	outside := t.TempDir()
	root := t.TempDir()
	config("u a 5").buildOwn(t, root)
	if err := os.Symlink(outside, filepath.Join(root, "etc")); err != nil {
		t.Fatal(err)
	}
	if _, err := populate(t, root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff([]string(nil), names(t, outside)); diff != "" {
		t.Errorf("outside (-want +got):\n%s", diff)
	}
	inside := filepath.Join(root, outside)
	if err := os.MkdirAll(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := populate(t, root); err != nil {
		t.Fatal(err)
	}
	want := []string{".pwd.lock", "group", "gshadow", "passwd", "shadow"}
	if diff := cmp.Diff(want, names(t, inside)); diff != "" {
		t.Errorf("inside (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string(nil), names(t, outside)); diff != "" {
		t.Errorf("outside (-want +got):\n%s", diff)
	}
}

// TestPasswdLeadsOut sees that links are neither read beyond the root nor written
// through.
func TestPasswdLeadsOut(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "passwd")
	secret := "secret:x:999:999::/:\n"
	if err := os.WriteFile(outside, []byte(secret), 0o644); err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	config("u a -").buildOwn(t, root)
	etc("os-release", "").buildOwn(t, root)
	for _, name := range []string{"passwd", "passwd-"} {
		if err := os.Symlink(outside, filepath.Join(root, "etc", name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := populate(t, root); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(secret, read(t, outside)); diff != "" {
		t.Errorf("outside (-want +got):\n%s", diff)
	}
	want := "a:x:999:999::/:/usr/sbin/nologin\n"
	if diff := cmp.Diff(want, read(t, filepath.Join(root, "etc/passwd"))); diff != "" {
		t.Errorf("passwd (-want +got):\n%s", diff)
	}
}

// TestLockLeadsOut sees that nothing is made through a planted lock file.
func TestLockLeadsOut(t *testing.T) {
	root, outside := t.TempDir(), filepath.Join(t.TempDir(), "made")
	config("u a -").buildOwn(t, root)
	etc("os-release", "").buildOwn(t, root)
	if err := os.Symlink(outside, filepath.Join(root, "etc/.pwd.lock")); err != nil {
		t.Fatal(err)
	}
	if _, err := populate(t, root); !errors.Is(err, unix.ELOOP) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Lstat(outside); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s was made: %v", outside, err)
	}
}

// TestNoWriteWithoutChange sees that files which need no change stay the same ones.
func TestNoWriteWithoutChange(t *testing.T) {
	root := t.TempDir()
	config("u a -", "m a b", "g b -").buildOwn(t, root)
	if _, err := populate(t, root); err != nil {
		t.Fatal(err)
	}
	before := inodes(t, filepath.Join(root, "etc"))
	if _, err := populate(t, root); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, inodes(t, filepath.Join(root, "etc"))); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

// TestLocked sees that the accounts are decided upon, and written, under the lock.
func TestLocked(t *testing.T) {
	root := t.TempDir()
	config("u a -").buildOwn(t, root)
	var errs []error
	err := apply.Populate(testfs.Open(t, root), today, func(sysusers.Note) {
		f, err := os.OpenFile(filepath.Join(root, "etc/.pwd.lock"), os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		whole := unix.Flock_t{Type: unix.F_WRLCK}
		errs = append(errs, unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &whole))
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(errs) == 0 || !errors.Is(errs[0], unix.EAGAIN) {
		t.Errorf("attempts to lock: %v", errs)
	}
}

// TestKeepsAttributes sees what a new file has of the old one.
func TestKeepsAttributes(t *testing.T) {
	root := t.TempDir()
	config("u a -").buildOwn(t, root)
	etc("passwd", "b:x:1:1::/:\n").buildOwn(t, root)
	passwd := filepath.Join(root, "etc/passwd")
	if err := unix.Setxattr(passwd, "user.note", []byte("kept"), 0); errors.Is(err, unix.EOPNOTSUPP) {
		t.Skip("the file system of temporary files has no attributes")
	} else if err != nil {
		t.Fatal(err)
	}
	if _, err := populate(t, root); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{passwd, passwd + "-"} {
		value := make([]byte, 16)
		n, err := unix.Getxattr(path, "user.note", value)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if diff := cmp.Diff("kept", string(value[:n])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// TestIntegrationDiskFull sees that the old files stay whole, and that nothing is left
// lying about, wherever the disk ends.
func TestIntegrationDiskFull(t *testing.T) {
	text := strings.Repeat("a:x:7:7:a user:/home/a:/bin/sh\n", 2000)
	failures := 0
	for _, size := range []string{"132k", "164k", "196k", "260k", "324k", "388k"} {
		root := testfs.Tmpfs(t, "size="+size)
		config("u new -", "m new group").build(t, root)
		for name, text := range map[string]string{"passwd": text, "group": "group:x:5:\n", "shadow": "a:*:1::::::\n"} {
			etc(name, text).build(t, root)
		}
		before := snapshot(t, root)
		if _, err := populate(t, root); err == nil {
			continue
		} else if !errors.Is(err, unix.ENOSPC) {
			t.Errorf("size %s: %v", size, err)
		}
		failures++
		after := snapshot(t, root)
		delete(after, "etc/.pwd.lock")
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("size %s (-before +after):\n%s", size, diff)
		}
	}
	if failures == 0 {
		t.Error("all fitted")
	}
}

// buildOwn builds a file for tests that need not be root.
func (f file) buildOwn(t *testing.T, dir string) {
	t.Helper()
	f.uid, f.gid = os.Getuid(), os.Getgid()
	f.build(t, dir)
}

func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func inodes(t *testing.T, dir string) map[string]uint64 {
	t.Helper()
	inodes := map[string]uint64{}
	for _, name := range names(t, dir) {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, name), &st); err != nil {
			t.Fatal(err)
		}
		inodes[name] = st.Ino
	}
	return inodes
}

// TestPopulateWithoutConfiguration leaves an /etc as it is for which there is nothing to
// do: an OS may have no use for users at all.
func TestPopulateWithoutConfiguration(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	err := apply.Populate(testfs.Open(t, dir), 1, func(n sysusers.Note) { t.Error(n.Text) })
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "etc")); err != nil || len(entries) > 0 {
		t.Errorf("/etc has %v, error %v", entries, err)
	}
}
