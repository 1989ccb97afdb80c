package bind_test

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/keep"
	"github.com/freshroot/freshroot/pkg/keep/bind"
)

func TestIntegrationSave(t *testing.T) {
	s := newSides(t)
	put(t, s.instance, "etc/ssh/key=old", "var/lib/app/old/x=1", "etc/.freshroot-keep/left=1")
	put(t, s.root, "etc/ssh/key=new", "etc/ssh/conf=c", "etc/new=n", "var/lib/app/y=2", "srv/a/b/c=3")
	must(t, os.Chmod(s.root.Name()+"/etc/ssh/key", 0o600))
	must(t, os.Chown(s.root.Name()+"/etc/ssh/key", 7, 8))
	for _, name := range []string{"/etc/ssh/key", "/etc/new", "/var/lib/app", "/srv/a/b/c"} {
		must(t, bind.Save(s.root, s.instance, name))
	}
	same(t, "instance", []string{"etc/", "etc/new=n", "etc/ssh/", "etc/ssh/key=new",
		"srv/", "srv/a/", "srv/a/b/", "srv/a/b/c=3",
		"var/", "var/lib/", "var/lib/app/", "var/lib/app/y=2"}, list(t, s.instance.Name()))
	var st unix.Stat_t
	must(t, unix.Lstat(s.instance.Name()+"/etc/ssh/key", &st))
	if st.Mode != unix.S_IFREG|0o600 || st.Uid != 7 || st.Gid != 8 {
		t.Errorf("mode %o of %d:%d", st.Mode, st.Uid, st.Gid)
	}
}

// TestIntegrationSaveForNextBoot is the life of a host key: made, saved, there again.
func TestIntegrationSaveForNextBoot(t *testing.T) {
	s := newSides(t)
	const rule = "/etc/ssh/ssh_host_* reboot"
	bound, problems := s.kept(t, rule, "/")
	same(t, "first boot", nil, append(bound, problems...))
	put(t, s.root, "etc/ssh/ssh_host_a=secret")
	must(t, os.Chmod(s.root.Name()+"/etc/ssh/ssh_host_a", 0o600))
	must(t, bind.Save(s.root, s.instance, "/etc/ssh/ssh_host_a"))

	s.root = testfs.Open(t, testfs.Tmpfs(t, "size=8m,mode=0755"))
	put(t, s.root, "etc/ssh/sshd_config=factory")
	bound, problems = s.kept(t, rule, "/")
	same(t, "second boot", []string{"/etc/ssh/ssh_host_a"}, append(bound, problems...))
	same(t, "root", []string{"etc/", "etc/ssh/", "etc/ssh/ssh_host_a=secret",
		"etc/ssh/sshd_config=factory"}, list(t, s.root.Name()))
	info, err := os.Stat(s.root.Name() + "/etc/ssh/ssh_host_a")
	must(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("mode %s", info.Mode())
	}
	if err := bind.Save(s.root, s.instance, "/etc/ssh/ssh_host_a"); !errors.Is(err, bind.ErrKept) {
		t.Errorf("save again: %v, want %v", err, bind.ErrKept)
	}
}

func TestIntegrationSaveRefuses(t *testing.T) {
	s := newSides(t)
	outside := t.TempDir()
	put(t, s.instance, "var/link->"+outside, "etc/own=1")
	put(t, s.root, "etc/link->"+outside, "var/link/x=1", "etc/own=0")
	if _, problems := s.kept(t, "/etc/own reboot", "/"); problems != nil {
		t.Fatal(problems)
	}
	for name, want := range map[string]error{
		"/etc/own": bind.ErrKept, "/etc/link": unix.ELOOP, "/etc/link/x": unix.ELOOP,
		"/var/link/x": unix.ELOOP, "/etc/absent": fs.ErrNotExist,
	} {
		if err := bind.Save(s.root, s.instance, name); !errors.Is(err, want) {
			t.Errorf("save %s: %v, want %v", name, err, want)
		}
	}
	same(t, "outside", nil, list(t, outside))
}

func TestFind(t *testing.T) {
	dir := testfs.Open(t, t.TempDir())
	put(t, dir, "a/b/x=", "a/c/x/y=", "a/x/x=", "b/x=", "a/l->c", "a/\xff/x=")
	for pattern, want := range map[string][]string{
		"/a/*/x":  {"/a/b/x", "/a/c/x", "/a/x/x", "/a/\xff/x"},
		"/a/**/x": {"/a/b/x", "/a/c/x", "/a/x", "/a/\xff/x"},
		"/a/*/x/": {"/a/c/x"},
		"/a/[lz]": {"/a/l"},
		"/a/l/":   nil,
		"/b":      {"/b"},
		"/c":      nil,
		"/b/x/y":  nil,
	} {
		rules, problems := keep.Parse("f", pattern+" reset")
		must(t, errors.Join(problems...))
		got, err := bind.Find(dir, rules[0])
		must(t, err)
		same(t, pattern, want, got)
	}
}
