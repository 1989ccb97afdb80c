package instance_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/merge"
)

// twoVersions have one file for each thing that can happen.
func twoVersions(t *testing.T, mib int64) *machine {
	t.Helper()
	m := newMachine(t, mib)
	m.release("1", files{
		"etc/same": "1", "etc/follows": "1", "etc/goes": "1", "etc/d/goes": "1", "etc/d/e/goes": "1",
		"etc/mine": "1", "etc/both": "1", "etc/deleted": "1", "etc/deleted2": "1", "etc/link": "-> same",
		"etc/tolink": "1", "etc/todir": "1", "etc/tofile/x": "1", "etc/keptdir/goes": "1", "var/lib/a": "1",
	})
	m.release("2", files{
		"etc/same": "1", "etc/follows": "2", "etc/mine": "1", "etc/both": "2", "etc/deleted": "1",
		"etc/deleted2": "2", "etc/link": "-> follows", "etc/tolink": "-> same", "etc/todir/x": "2",
		"etc/tofile": "2", "etc/comes": "2", "etc/new/tree": "2", "var/lib/a": "2", "var/lib/b/c": "2",
		"var/lib/mine/vendor": "2", "var/spool/x": "2",
	})
	return m
}

func (m *machine) customize() {
	m.t.Helper()
	m.edit(files{"etc/mine": "m", "etc/both": "m", "etc/added": "m", "etc/keptdir/added": "m",
		"etc/.updated": "", "var/.updated": "", "var/lib/mine/file": "m"})
	m.remove("etc/deleted", "etc/deleted2")
}

var (
	customized = files{
		"same": "1", "follows": "1", "goes": "1", "d/goes": "1", "d/e/goes": "1", "mine": "m", "both": "m",
		"link": "-> same", "tolink": "1", "todir": "1", "tofile/x": "1", "keptdir/goes": "1", "keptdir/added": "m",
		"added": "m",
	}
	merged = files{
		"same": "1", "follows": "2", "mine": "m", "both": "m", "both.freshroot-new": "2",
		"deleted2.freshroot-new": "2", "link": "-> follows", "tolink": "-> same", "todir/x": "2", "tofile": "2",
		"comes": "2", "new/tree": "2", "keptdir/added": "m", "added": "m",
	}
	mergedResult = instance.Result{Change: instance.Merged, From: vendor + "1",
		Conflicts: []string{"both.freshroot-new", "deleted2.freshroot-new"}}
)

func TestIntegrationUpdate(t *testing.T) {
	m := twoVersions(t, 128)
	m.boot("1")
	m.customize()
	if diff := cmp.Diff(mergedResult, m.boot("2")); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(merged, m.etc()); diff != "" {
		t.Errorf("etc (-want +got):\n%s", diff)
	}
	wantVar := files{"lib/a": "1", "lib/b/c": "2", "lib/mine/file": "m", "lib/mine/vendor": "2", "spool/x": "2"}
	if diff := cmp.Diff(wantVar, m.tree(m.path("var"))); diff != "" {
		t.Errorf("var (-want +got):\n%s", diff)
	}
	for _, part := range []string{"etc", "var"} {
		if got, want := m.read(part+"/.freshroot"), vendor+"2\n"+vendor+"1\n"; got != want {
			t.Errorf("stamp of %s: %q, want %q", part, got, want)
		}
	}
	saved := m.tree(m.store("1", "etc"))
	delete(saved, ".updated")
	if diff := cmp.Diff(customized, saved); diff != "" {
		t.Errorf("saved (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(instance.Result{}, m.boot("2")); diff != "" {
		t.Errorf("again (-want +got):\n%s", diff)
	}
}

// TestIntegrationRollback goes back, and forward again.
func TestIntegrationRollback(t *testing.T) {
	m := twoVersions(t, 128)
	m.kept = func(path string) bool { return path == "/etc/ssh/key" || path == "/etc/id" || path == "/etc/mine" }
	m.boot("1")
	m.customize()
	m.edit(files{"etc/id": "1"})
	m.boot("2")
	m.edit(files{"etc/since": "s", "etc/same": "s", "etc/ssh/key": "k", "etc/id": "2", "etc/.updated": "", "var/.updated": ""})
	if diff := cmp.Diff(instance.Result{Change: instance.Restored, From: vendor + "2"}, m.boot("1")); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	back := with(customized, files{"id": "2", "ssh/key": "k"})
	if diff := cmp.Diff(back, m.etc()); diff != "" {
		t.Errorf("etc (-want +got):\n%s", diff)
	}
	if exists(m.path("etc/.updated")) || exists(m.path("var/.updated")) {
		t.Error("ConditionNeedsUpdate= would be false")
	}
	aside := with(merged, files{"since": "s", "same": "s", "ssh/key": "k", "id": "2", ".updated": ""})
	if diff := cmp.Diff(aside, m.tree(m.store("2", "etc"))); diff != "" {
		t.Errorf("kept aside (-want +got):\n%s", diff)
	}
	if exists(m.store("1", "etc")) {
		t.Error("what was brought back is there twice")
	}
	m.edit(files{"etc/added": "later"})
	if diff := cmp.Diff(mergedResult, m.boot("2")); diff != "" {
		t.Errorf("forward: result (-want +got):\n%s", diff)
	}
	forward := with(merged, files{"id": "2", "ssh/key": "k", "added": "later"})
	if diff := cmp.Diff(forward, m.etc()); diff != "" {
		t.Errorf("forward: etc (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(aside, m.tree(m.store("2", "etc"))); diff != "" {
		t.Errorf("forward: kept aside (-want +got):\n%s", diff)
	}
}

// with returns files with others changed.
func with(f, others files) files {
	all := files{}
	for _, one := range []files{f, others} {
		for name, text := range one {
			all[name] = text
		}
	}
	return all
}

// TestIntegrationRollbackUnknown goes back to a version that was never booted: what is
// merged is its factory.
func TestIntegrationRollbackUnknown(t *testing.T) {
	m := newMachine(t, 128)
	m.release("1", files{"etc/a": "1", "etc/old": "1"})
	m.release("2", files{"etc/a": "2", "etc/b": "2"})
	m.boot("2")
	m.edit(files{"etc/mine": "m"})
	if diff := cmp.Diff(instance.Result{Change: instance.Merged, From: vendor + "2"}, m.boot("1")); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(files{"a": "1", "old": "1", "mine": "m"}, m.etc()); diff != "" {
		t.Errorf("etc (-want +got):\n%s", diff)
	}
}

// TestIntegrationUpdateNoBase has an instance of before there were stamps, and one whose
// base somebody deleted.
func TestIntegrationUpdateNoBase(t *testing.T) {
	for title, spoil := range map[string]func(m *machine){
		"unknown": func(m *machine) { m.remove("etc/.freshroot", ".freshroot"); m.edit(files{"etc/.updated": ""}) },
		vendor + "1": func(m *machine) {
			testfs.Run(t, "btrfs", "-q", "subvolume", "delete", m.store("1", "base"))
		},
		"nonsense": func(m *machine) { m.edit(files{"etc/.freshroot": "../../../evil\n"}) },
		"link":     func(m *machine) { m.remove("etc/.freshroot"); m.edit(files{"etc/.freshroot": "-> /etc/hostname"}) },
	} {
		m := newMachine(t, 128)
		m.release("1", files{"etc/same": "1", "etc/both": "1", "etc/goes": "1"})
		m.release("2", files{"etc/same": "1", "etc/both": "2", "etc/comes": "2"})
		m.boot("1")
		if title == "unknown" {
			testfs.Run(t, "btrfs", "-q", "subvolume", "delete", m.store("1", "base"))
		}
		spoil(m)
		from := title
		if !strings.HasPrefix(title, "usr:") {
			from = "unknown"
		}
		want := instance.Result{Change: instance.Merged, From: from, Conflicts: []string{"both.freshroot-new"}}
		if diff := cmp.Diff(want, m.boot("2")); diff != "" {
			t.Errorf("%s: result (-want +got):\n%s", title, diff)
		}
		etc := files{"same": "1", "both": "1", "both.freshroot-new": "2", "goes": "1", "comes": "2"}
		if diff := cmp.Diff(etc, m.etc()); diff != "" {
			t.Errorf("%s: etc (-want +got):\n%s", title, diff)
		}
		if !exists(m.path(".freshroot/" + from + "/etc/goes")) {
			t.Errorf("%s: the old /etc is not kept", title)
		}
	}
}

// TestIntegrationPreview sees that a preview tells what is done then, and changes
// nothing: the pool is read-only.
func TestIntegrationPreview(t *testing.T) {
	m := twoVersions(t, 128)
	preview := func(version string) (instance.Result, []string) {
		t.Helper()
		var actions []string
		testfs.Run(t, "mount", "-o", "remount,ro", m.pool.Name())
		defer testfs.Run(t, "mount", "-o", "remount,rw", m.pool.Name())
		result, err := m.target(version).Preview(func(a merge.Action) error {
			actions = append(actions, a.Op.String()+" "+a.Target())
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return result, actions
	}
	check := func(version string, wantActions []string) {
		t.Helper()
		got, actions := preview(version)
		if diff := cmp.Diff(m.boot(version), got); diff != "" {
			t.Errorf("%s (-done +preview):\n%s", version, diff)
		}
		if diff := cmp.Diff(wantActions, actions); diff != "" {
			t.Errorf("%s: actions (-want +got):\n%s", version, diff)
		}
	}
	check("1", nil)
	check("1", nil)
	m.customize()
	check("2", []string{
		"added added", "beside both.freshroot-new", "create comes", "remove d/e/goes", "remove d/e",
		"remove d/goes", "remove d", "deleted deleted", "beside deleted2.freshroot-new", "replace follows",
		"remove goes", "added keptdir/added", "remove keptdir/goes", "replace link", "modified mine", "create new",
		"replace todir", "remove tofile/x", "replace tofile", "replace tolink",
	})
	check("1", nil)
	m.remove("etc")
	check("2", nil)
}

func TestIntegrationDiff(t *testing.T) {
	m := twoVersions(t, 128)
	m.boot("1")
	m.customize()
	factory := testfs.Open(t, filepath.Join(m.pool.Name(), vendor+"1/share/factory/etc"))
	var got []string
	err := instance.Diff(factory, testfs.Open(t, m.path("etc")), func(a merge.Action) error {
		got = append(got, a.Op.String()+" "+a.Path)
		return nil
	})
	want := []string{"added added", "modified both", "deleted deleted", "deleted deleted2", "added keptdir/added", "modified mine"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

// TestIntegrationTidy follows what is kept of versions that come and go.
func TestIntegrationTidy(t *testing.T) {
	m := newMachine(t, 128)
	for _, version := range []string{"1", "2", "3", "4"} {
		m.release(version, files{"etc/version": version})
		m.boot(version)
	}
	kept := func() (kept []string) {
		paths, err := filepath.Glob(m.path(".freshroot/*/*"))
		for _, path := range paths {
			kept = append(kept, strings.TrimPrefix(path, m.path(".freshroot/"+vendor)))
		}
		if err != nil {
			t.Fatal(err)
		}
		return kept
	}
	all := []string{"1/base", "1/etc", "2/base", "2/etc", "3/base", "3/etc", "4/base"}
	if diff := cmp.Diff(all, kept()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, version := range []string{"1", "3"} {
		testfs.Run(t, "btrfs", "-q", "subvolume", "delete", filepath.Join(m.pool.Name(), vendor+version))
	}
	// A version that is being tried is there, too.
	if err := os.Rename(filepath.Join(m.pool.Name(), vendor+"2"), filepath.Join(m.pool.Name(), vendor+"2+1-2")); err != nil {
		t.Fatal(err)
	}
	m.boot("4")
	if diff := cmp.Diff(all[2:], kept()); diff != "" {
		t.Errorf("after 1 and 3 are gone (-want +got):\n%s", diff)
	}
}

// TestIntegrationUpdateNoSpace fills the disk: the old /etc stays, whole.
func TestIntegrationUpdateNoSpace(t *testing.T) {
	m := newMachine(t, 128)
	m.release("1", files{"etc/small": "1"})
	dir := m.release("2", files{"etc/small": "2"})
	m.boot("1")
	m.edit(files{"etc/mine": "m"})
	// On another file system, so that extents cannot be shared.
	tmpfs := testfs.Tmpfs(t, "size=400m")
	testfs.Run(t, "mount", "--bind", tmpfs, dir)
	t.Cleanup(func() { testfs.Run(t, "umount", dir) })
	if err := os.Mkdir(tmpfs+"/etc", 0o755); err != nil {
		t.Fatal(err)
	}
	m.write(dir, files{"etc/small": "2", "etc/zbig": strings.Repeat("incompressible?", 12<<20)})
	before, stamp := m.etc(), m.read("etc/.freshroot")
	_, err := m.target("2").Ensure()
	var update *instance.UpdateError
	if !errors.Is(err, unix.ENOSPC) || !errors.As(err, &update) {
		t.Fatalf("error %v, want %v", err, unix.ENOSPC)
	}
	m.clean()
	if diff := cmp.Diff(before, m.etc()); diff != "" || m.read("etc/.freshroot") != stamp {
		t.Errorf("etc, stamp %q (-want +got):\n%s", m.read("etc/.freshroot"), diff)
	}
	if err := os.Remove(tmpfs + "/etc/zbig"); err != nil {
		t.Fatal(err)
	}
	m.boot("2")
	if diff := cmp.Diff(files{"small": "2", "mine": "m"}, m.etc()); diff != "" {
		t.Errorf("with room (-want +got):\n%s", diff)
	}
}
