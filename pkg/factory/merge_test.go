package factory

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/zoo"
)

// kinds makes one thing of every kind under a name. The directory is not empty,
// and the links lead to a place outside that must stay as it is.
var kinds = []struct {
	name string
	make func(m *zoo.Maker, name, outside string)
}{
	{"regular file", func(m *zoo.Maker, name, _ string) { m.File(name, "old", 0o604) }},
	{"directory", func(m *zoo.Maker, name, _ string) { m.File(name+"/old", "old", 0o604) }},
	{"symlink", func(m *zoo.Maker, name, outside string) { m.Symlink(outside, name) }},
	{"symlink", func(m *zoo.Maker, name, outside string) { m.Symlink(outside+"/file", name) }},
	{"symlink", func(m *zoo.Maker, name, _ string) { m.Symlink("../../../outside", name) }},
	{"symlink", func(m *zoo.Maker, name, outside string) { m.Symlink(outside+"/new", name) }},
	{"FIFO", func(m *zoo.Maker, name, _ string) { m.Node(name, unix.S_IFIFO|0o644, 0, 0) }},
	{"socket", func(m *zoo.Maker, name, _ string) { m.Node(name, unix.S_IFSOCK|0o644, 0, 0) }},
	{"character device", func(m *zoo.Maker, name, _ string) { m.Node(name, unix.S_IFCHR, 1, 3) }},
	{"block device", func(m *zoo.Maker, name, _ string) { m.Node(name, unix.S_IFBLK, 7, 3) }},
}

// Whatever the factory has, and whatever is in its place: what exists stays as
// it is, what is of another type is reported, and nothing outside changes.
func TestIntegrationEveryKindOverEveryKind(t *testing.T) {
	need(t)
	for _, workers := range []int{1, 4} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			for i, want := range kinds {
				for j, have := range kinds {
					t.Run(fmt.Sprintf("%d %s over %d %s", i, want.name, j, have.name),
						func(t *testing.T) { collide(t, i, j, workers) })
				}
			}
		})
	}
}

// collide copies kind i where kind j is.
func collide(t *testing.T, i, j, workers int) {
	dir := shared(t)
	src, dst := subdir(t, dir, "src"), subdir(t, dir, "dst")
	outside := sentinel(t, dir)
	kinds[i].make(&zoo.Maker{T: t, Dir: src}, "x", "/nowhere")
	kinds[j].make(&zoo.Maker{T: t, Dir: dst}, "x", outside)
	before, before2 := zoo.Snapshot(t, dst), zoo.Snapshot(t, outside)

	got := mustCopy(t, dst, src, Options{Workers: workers})
	want := Stats{Kept: 1}
	if kinds[i].name != kinds[j].name {
		want.Conflicts = []string{fmt.Sprintf(
			`"x": %s where a %s is expected, left alone`, kinds[j].name, kinds[i].name)}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
	zoo.Equal(t, before, zoo.Snapshot(t, dst))
	zoo.Equal(t, before2, zoo.Snapshot(t, outside))
}

// sentinel makes the tree next to dst that no copy may touch.
func sentinel(t *testing.T, dir string) string {
	t.Helper()
	outside := subdir(t, dir, "outside")
	m := &zoo.Maker{T: t, Dir: outside}
	m.File("file", "precious", 0o644)
	m.File("etc/passwd", "precious", 0o600)
	m.Symlink("file", "link")
	return outside
}

// A target that is full of traps, deeper down, and with several of them.
func TestIntegrationHostileTarget(t *testing.T) {
	need(t)
	for _, workers := range []int{1, 2, 8} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			dir := shared(t)
			src, dst := subdir(t, dir, "src"), subdir(t, dir, "dst")
			outside := sentinel(t, dir)
			from, to := &zoo.Maker{T: t, Dir: src}, &zoo.Maker{T: t, Dir: dst}
			for i := range 30 {
				from.File(fmt.Sprintf("d%d/etc/passwd", i), "new", 0o644)
				from.File(fmt.Sprintf("d%d/ok/passwd", i), "new", 0o644)
				to.Mkdir(fmt.Sprintf("d%d", i), 0o755)
				to.Symlink([]string{"../../outside/etc", outside + "/etc", "etc", "/",
					"../.."}[i%5], fmt.Sprintf("d%d/etc", i))
			}
			before := zoo.Snapshot(t, outside)
			got := mustCopy(t, dst, src, Options{Workers: workers})
			if len(got.Conflicts) != maxConflicts || !slices.IsSorted(got.Conflicts) {
				t.Errorf("conflicts: %q", got.Conflicts)
			}
			got.Conflicts = nil
			want := Stats{Dirs: 30, Files: 30, Bytes: 90, Kept: 30}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("stats (-want +got):\n%s", diff)
			}
			zoo.Equal(t, before, zoo.Snapshot(t, outside))
		})
	}
}

// What exists keeps all it has; what is missing comes from the factory; the
// time of an existing directory tells that it got new entries.
func TestIntegrationMerge(t *testing.T) {
	need(t, "cp")
	setUmask(t, 0o022)
	dir := shared(t)
	src, dst := subdir(t, dir, "src"), subdir(t, dir, "dst")
	zoo.Make(t, src)
	old := &zoo.Maker{T: t, Dir: dst}
	old.File("etc/passwd", "my own", 0o600)
	old.File("etc/mine", "my own", 0o600)
	old.Mkdir("var/mail", 0o2770)
	old.Chown("var/mail", 12, 12)
	old.Age()
	before := zoo.Snapshot(t, dst)

	stats := mustCopy(t, dst, src, Options{})
	if stats.Kept != 1 || stats.Conflicts != nil {
		t.Errorf("kept %d, conflicts %q", stats.Kept, stats.Conflicts)
	}
	got := zoo.Snapshot(t, dst)
	for name, n := range before {
		if n.Kind == "directory" && name != "var/mail" { // which got no entry
			if got[name].Mtime == n.Mtime {
				t.Errorf("%s has new entries and its old time", name)
			}
			n.Mtime = got[name].Mtime
		}
		if diff := cmp.Diff(n, got[name]); diff != "" {
			t.Errorf("%s changed:\n%s", name, diff)
		}
		delete(got, name)
	}
	want := zoo.Snapshot(t, src)
	for name := range before {
		delete(want, name)
	}
	// etc/passwd was there: the two others are links to each other.
	for _, name := range []string{"links/a/b/passwd", "links/a/b/passwd2"} {
		n := want[name]
		n.SameAs = "links/a/b/passwd"
		want[name] = n
	}
	zoo.Equal(t, want, got)
}

// Nothing is inherited from an existing directory: no group, no ACL.
func TestIntegrationInheritsNothing(t *testing.T) {
	need(t, "cp", "setfacl", "setcap")
	for name, target := range map[string]func(testing.TB) string{
		"tmpfs": shared, "btrfs": newBtrfs, "grpid": newGrpid,
	} {
		t.Run(name, func(t *testing.T) {
			setUmask(t, 0o027)
			src := subdir(t, shared(t), "src")
			zoo.Make(t, src)
			dst := subdir(t, target(t), "dst")
			must(t, os.Chown(dst, 0, 77))
			must(t, unix.Chmod(dst, 0o2775))
			run(t, "setfacl", "-m", "u:7:rwx,d:u:1000:rwx,d:g:50:rwx,d:m::rwx", dst)
			mustCopy(t, dst, filepath.Join(src, "etc"), Options{}) // all at the top
			mustCopy(t, dst, src, Options{})
			got := zoo.WithoutBlocks(zoo.Snapshot(t, dst))
			want := zoo.WithoutBlocks(zoo.Snapshot(t, src))
			for name, n := range want {
				if rest, ok := strings.CutPrefix(name, "etc/"); ok {
					n.SameAs = ""
					want[rest] = n
				}
			}
			zoo.Equal(t, want, got)
		})
	}
}

// newGrpid mounts a file system where new files get the group of their
// directory, whatever its mode.
func newGrpid(t testing.TB) string {
	dir := newImage(t, "ext4", "-b", "4096")
	must(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_NOATIME, "grpid"))
	must(t, os.Chown(dir, 0, 99))
	return dir
}

// Where a file system is mounted in the target, hard links cannot cross it.
func TestIntegrationMountInTarget(t *testing.T) {
	need(t)
	src, dst := shared(t), shared(t)
	m := &zoo.Maker{T: t, Dir: src}
	m.File("a", "same", 0o644)
	m.Mkdir("var", 0o755)
	for _, name := range []string{"b", "var/c", "var/d"} {
		must(t, os.Link(m.Path("a"), m.Path(name)))
	}
	m.Age()
	mountAt(t, filepath.Join(dst, "var"), "tmpfs", "factory-test", "")
	got := mustCopy(t, dst, src, Options{})
	files := zoo.Snapshot(t, dst)
	if got.Files != got.SplitLinks+1 || got.Files+got.Links != 4 || got.SplitLinks == 0 {
		t.Errorf("stats: %+v", got)
	}
	for _, name := range []string{"a", "b", "var/c", "var/d"} {
		want := zoo.Snapshot(t, src)[name]
		want.SameAs, want.Blocks = files[name].SameAs, files[name].Blocks
		if diff := cmp.Diff(want, files[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
