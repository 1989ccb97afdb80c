package instance_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/pkg/subvol"
)

const other = "root:other:org.example.os:x86-64"

// TestIntegrationClone copies an instance that holds subvolumes in subvolumes, and sees
// that the copy is updated like the original.
func TestIntegrationClone(t *testing.T) {
	m := twoVersions(t, 128)
	m.boot("1")
	m.customize()
	testfs.Run(t, "btrfs", "-q", "subvolume", "create", m.path("var/lib/machines"))
	testfs.Run(t, "btrfs", "-q", "subvolume", "create", m.path("var/lib/machines/a"))
	m.edit(files{"var/lib/machines/a/file": "a"})
	want := m.tree(m.root)
	if err := instance.Clone(m.pool, name, other); err != nil {
		t.Fatal(err)
	}
	m.clean()
	if got := instance.Version(m.pool, other); got != "1" {
		t.Errorf("version %q", got)
	}
	if err := instance.Clone(m.pool, name, other); !errors.Is(err, fs.ErrExist) {
		t.Errorf("cloned twice: %v", err)
	}
	m.clean()
	if err := instance.Delete(m.pool, name); err != nil {
		t.Fatal(err)
	}
	if err := instance.Rename(m.pool, other, name); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, m.tree(m.root)); diff != "" {
		t.Errorf("the copy (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(mergedResult, m.boot("2")); diff != "" {
		t.Errorf("its update (-want +got):\n%s", diff)
	}
}

func TestIntegrationDelete(t *testing.T) {
	m := newMachine(t, 128)
	m.release("1", factory)
	m.boot("1")
	if err := instance.WriteRequest(m.pool, name, reset.Request{Reset: reset.All}); err != nil {
		t.Fatal(err)
	}
	if err := instance.Delete(m.pool, name); err != nil {
		t.Fatal(err)
	}
	m.clean()
	if r, err := instance.ReadRequest(m.pool, name); r != (reset.Request{}) || err != nil {
		t.Errorf("what was asked for it is left: %v, %v", r, err)
	}
	if n := strings.Count(testfs.Run(t, "btrfs", "subvolume", "list", m.pool.Name()), "\n"); n != 1 {
		t.Errorf("%d subvolumes are left, want that of the OS", n)
	}
	for what, err := range map[string]error{
		"delete": instance.Delete(m.pool, name), "rename": instance.Rename(m.pool, name, other),
		"clone": instance.Clone(m.pool, name, other),
	} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s what is not there: %v", what, err)
		}
	}
}

// TestIntegrationDeleteForGood deletes an instance with an old state, of which a part
// resists at first: it stays as long as something is left that could be brought back. The
// old state of another instance stays.
func TestIntegrationDeleteForGood(t *testing.T) {
	m := used(t)
	if err := instance.Clone(m.pool, name, other); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{other, name} {
		root := m.target("1")
		root.Name = target
		_, failed := root.Reset(reset.All, nil, clock)
		_, late := root.Ensure()
		if err := errors.Join(failed, late); err != nil {
			t.Fatal(err)
		}
	}
	trash := m.pool.Name() + "/.freshroot/trash/"
	stuck := trash + reset.Trashed{Instance: name, Number: 2, Time: clock, Scope: reset.All}.String() + "/etc"
	testfs.Run(t, "chattr", "+i", stuck)
	if err := instance.Delete(m.pool, name); err == nil || !exists(m.root) {
		t.Errorf("with an old state that resists: %v", err)
	}
	testfs.Run(t, "chattr", "-i", stuck)
	if err := instance.Delete(m.pool, name); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(trash)
	if err != nil || len(left) != 1 || !strings.HasPrefix(left[0].Name(), other+"@1-") {
		t.Errorf("the trash has %v, %v", left, err)
	}
	m.clean()
}

// TestIntegrationRename has what is asked for an instance, and its old states, come along.
func TestIntegrationRename(t *testing.T) {
	m := newMachine(t, 128)
	m.release("1", factory)
	m.boot("1")
	m.edit(files{"etc/mine": "m"})
	if _, err := m.target("1").Reset(reset.All, nil, time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	m.boot("1")
	trash := func() []reset.Trashed {
		t.Helper()
		list, err := instance.Trash(m.pool)
		if err != nil || len(list) != 1 {
			t.Fatalf("trash: %v, %v", list, err)
		}
		return list
	}
	request := reset.Request{Undo: trash()[0].String()}
	if err := instance.WriteRequest(m.pool, name, request); err != nil {
		t.Fatal(err)
	}
	if err := instance.Rename(m.pool, name, other); err != nil {
		t.Fatal(err)
	}
	m.clean()
	want := trash()[0]
	if want.Instance != other {
		t.Errorf("the trash has %v", want)
	}
	got, err := instance.ReadRequest(m.pool, other)
	if diff := cmp.Diff(reset.Request{Undo: want.String()}, got); diff != "" || err != nil {
		t.Errorf("request: %v (-want +got):\n%s", err, diff)
	}
	if old, err := instance.ReadRequest(m.pool, name); old != (reset.Request{}) || err != nil {
		t.Errorf("the old name's request is left: %v, %v", old, err)
	}
	if err := instance.Undo(m.pool, want); err != nil {
		t.Fatal(err)
	}
	m.root = filepath.Join(m.pool.Name(), other)
	if got := m.read("etc/mine"); got != "m" {
		t.Errorf("brought back: %q", got)
	}
	if err := instance.Clone(m.pool, other, name); err != nil {
		t.Fatal(err)
	}
	if err := instance.Rename(m.pool, other, name); !errors.Is(err, fs.ErrExist) || trash()[0].Instance != other {
		t.Errorf("to a name that is taken: %v, %v", err, trash())
	}
}

func TestIntegrationCreateHome(t *testing.T) {
	m := newMachine(t, 128)
	home := subvol.Member{Kind: subvol.Home, Name: "ada", UID: 1000, GID: 100}
	skel := m.release("1", files{"etc/skel/.profile": "p", "etc/skel/.config/x": "x", "etc/skel/link": "-> /etc/passwd"})
	if err := instance.CreateHome(m.pool, home, testfs.Open(t, skel+"/etc/skel")); err != nil {
		t.Fatal(err)
	}
	path := m.pool.Name() + "/home:ada:1000:100"
	if got := testfs.Run(t, "stat", "-c", "%u %g %a %i", path); got != "1000 100 700 256\n" {
		t.Errorf("made %s", got)
	}
	owners := testfs.Run(t, "find", path, "-mindepth", "1", "-printf", "%P %U %G\n")
	lines := strings.Split(strings.TrimSpace(owners), "\n")
	slices.Sort(lines)
	want := []string{".config 1000 100", ".config/x 1000 100", ".profile 1000 100", "link 1000 100"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("from /etc/skel (-want +got):\n%s", diff)
	}
	if st, err := os.Stat("/etc/passwd"); err != nil || st.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("what a link leads to was given away: %v", err)
	}
	if err := os.WriteFile(path+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := instance.CreateHome(m.pool, home, nil); !errors.Is(err, fs.ErrExist) || !exists(path+"/file") {
		t.Errorf("made twice: %v", err)
	}
	m.clean()
}
