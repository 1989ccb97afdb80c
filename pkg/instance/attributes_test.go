package instance_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/instance"
)

// attributes are changes of a file that do not touch its content.
var attributes = map[string]func(t *testing.T, path string) error{
	"mode":   func(_ *testing.T, path string) error { return os.Chmod(path, 0o4711) },
	"owner":  func(_ *testing.T, path string) error { return os.Chown(path, 7, 0) },
	"group":  func(_ *testing.T, path string) error { return os.Chown(path, 0, 8) },
	"xattr":  func(_ *testing.T, path string) error { return unix.Setxattr(path, "user.a", []byte("b"), 0) },
	"xattr2": func(_ *testing.T, path string) error { return unix.Setxattr(path, "user.has", []byte("c"), 0) },
	"xattr3": func(_ *testing.T, path string) error { return unix.Removexattr(path, "user.has") },
	"acl": func(t *testing.T, path string) error {
		testfs.Run(t, "setfacl", "-m", "u:1000:rw", path)
		return nil
	},
}

// describe tells the attributes of a file.
func describe(t *testing.T, path string) string {
	t.Helper()
	return testfs.Run(t, "stat", "-c", "%a %u %g %F", path) +
		testfs.Run(t, "getfattr", "--absolute-names", "-h", "-d", "-m", "^user", "--only-values", path) +
		testfs.Run(t, "getfacl", "-pcE", path)
}

// TestIntegrationUpdateAttributes sees that attributes count as content, of files and
// of directories, on either side.
func TestIntegrationUpdateAttributes(t *testing.T) {
	m := newMachine(t, 128)
	first, second := files{}, files{}
	for change := range attributes {
		for _, who := range []string{"vendor", "user", "both"} {
			first["etc/"+who+"-file-"+change], second["etc/"+who+"-file-"+change] = "x", "x"
			first["etc/"+who+"-dir-"+change], second["etc/"+who+"-dir-"+change] = "/", "/"
		}
	}
	dirs := []string{m.release("1", first), m.release("2", second)}
	for _, dir := range dirs {
		for name := range first {
			if err := unix.Setxattr(dir+"/"+name, "user.has", []byte("1"), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	m.boot("1")
	want := map[string]string{}
	for name := range first {
		change := attributes[name[strings.LastIndexByte(name, '-')+1:]]
		of := m.path(name)
		if strings.HasPrefix(name, "etc/vendor") {
			of = dirs[1] + "/" + name
		} else if strings.HasPrefix(name, "etc/both") {
			if err := os.Chmod(dirs[1]+"/"+name, 0o500); err != nil {
				t.Fatal(err)
			}
		}
		if err := change(t, of); err != nil {
			t.Fatal(err)
		}
		want[name] = describe(t, of)
	}
	result := m.boot("2")
	for name, attributes := range want {
		if diff := cmp.Diff(attributes, describe(t, m.path(name))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if strings.HasPrefix(name, "etc/both-file") != exists(m.path(name+".freshroot-new")) {
			t.Errorf("%s: a file beside: %v", name, exists(m.path(name+".freshroot-new")))
		}
	}
	if len(result.Conflicts) != len(attributes) {
		t.Errorf("conflicts: %q", result.Conflicts)
	}
}

// TestIntegrationUpdateFixed leaves alone what chattr protects, and what is beside it
// comes all the same.
func TestIntegrationUpdateFixed(t *testing.T) {
	m := newMachine(t, 128)
	m.release("1", files{"etc/file": "1", "etc/dir/a": "1", "etc/same/a": "1", "etc/log": "1"})
	m.release("2", files{"etc/file": "2", "etc/dir/a": "2", "etc/same/a": "1", "etc/more": "2", "etc/log": "2"})
	m.boot("1")
	for path, flag := range map[string]string{"etc/file": "+i", "etc/dir": "+i", "etc/same": "+i", "etc/log": "+a"} {
		testfs.Run(t, "chattr", flag, m.path(path))
	}
	m.boot("2")
	want := files{"file": "1", "file.freshroot-new": "2", "dir/a": "1", "dir.freshroot-new/a": "2", "same/a": "1",
		"more": "2", "log": "1", "log.freshroot-new": "2"}
	if diff := cmp.Diff(want, m.etc()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := os.WriteFile(m.path("etc/file"), nil, 0o644); !errors.Is(err, unix.EPERM) {
		t.Errorf("the file is no longer protected: %v", err)
	}
}

// TestIntegrationUpdateNodes has things that are neither file nor directory.
func TestIntegrationUpdateNodes(t *testing.T) {
	m := newMachine(t, 128)
	first, second := m.release("1", files{"etc/a": "1"}), m.release("2", files{"etc/a": "1"})
	node := func(path string, mode uint32, minor uint32) {
		t.Helper()
		if err := unix.Mknod(path, mode, int(unix.Mkdev(1, minor))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"vendor", "user", "fifo"} {
		node(first+"/etc/"+name, unix.S_IFCHR|0o600, 3)
	}
	node(second+"/etc/vendor", unix.S_IFCHR|0o600, 5)
	node(second+"/etc/user", unix.S_IFCHR|0o600, 3)
	node(second+"/etc/fifo", unix.S_IFIFO|0o600, 0)
	m.boot("1")
	if err := os.Remove(m.path("etc/user")); err != nil {
		t.Fatal(err)
	}
	node(m.path("etc/user"), unix.S_IFCHR|0o600, 9)
	if result := m.boot("2"); result.Conflicts != nil {
		t.Errorf("conflicts: %q", result.Conflicts)
	}
	for name, want := range map[string]string{"vendor": "1,5 character special file\n",
		"user": "1,9 character special file\n", "fifo": "0,0 fifo\n"} {
		if got := testfs.Run(t, "stat", "-c", "%Hr,%Lr %F", m.path("etc/"+name)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestIntegrationUpdateLarge compares files that do not fit into a buffer.
func TestIntegrationUpdateLarge(t *testing.T) {
	m := newMachine(t, 128)
	large := strings.Repeat("x", 1<<20)
	m.release("1", files{"etc/same": large, "etc/end": large + "1", "etc/mine": large})
	m.release("2", files{"etc/same": large, "etc/end": large + "2", "etc/mine": large + "2"})
	m.boot("1")
	m.edit(files{"etc/mine": large[1:] + "y"})
	want := instance.Result{Change: instance.Merged, From: vendor + "1", Conflicts: []string{"mine.freshroot-new"}}
	if diff := cmp.Diff(want, m.boot("2")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{"same": large, "end": large + "2", "mine": large[1:] + "y"} {
		if m.read("etc/"+name) != want {
			t.Errorf("%s is another one", name)
		}
	}
}
