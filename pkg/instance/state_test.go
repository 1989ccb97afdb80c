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
)

func (m *machine) btrfs(args ...string) {
	m.t.Helper()
	testfs.Run(m.t, "btrfs", append([]string{"-q", "subvolume"}, args...)...)
}

// cuts are the states that a cut of power leaves behind, made by hand: what was done
// of the update from 1 to 2 by then.
var cuts = map[string]func(m *machine){
	"while it is staged": func(m *machine) {
		staging := filepath.Join(m.pool.Name(), ".freshroot/staging")
		m.btrfs("create", staging+"/base")
		m.write(staging, files{"base/half": "2"})
		m.btrfs("snapshot", m.path("etc"), staging+"/etc")
		m.write(staging, files{"etc/half": "2", "etc/.freshroot.new/x": "2"})
	},
	"before the base is protected": func(m *machine) { m.placeBase() },
	"after the base": func(m *machine) {
		m.placeBase()
		testfs.Run(m.t, "btrfs", "property", "set", m.store("2", "base"), "ro", "true")
	},
	"before the exchange": func(m *machine) {
		m.placeBase()
		m.btrfs("snapshot", m.path("etc"), m.store("1", "etc"))
		m.write(m.store("1", "etc"), files{".freshroot": vendor + "2\n" + vendor + "1\n", "half": "2"})
	},
	"while /var is filled": func(m *machine) {
		m.edit(files{"var/.freshroot.new/lib/half": "2", "var/.freshroot.new/spool/x": "2"})
	},
}

func (m *machine) placeBase() {
	m.t.Helper()
	m.write(filepath.Dir(m.store("2", "base")), nil)
	if err := os.MkdirAll(m.path(".freshroot/"+vendor+"2"), 0o700); err != nil {
		m.t.Fatal(err)
	}
	m.btrfs("create", m.store("2", "base"))
}

func TestIntegrationUpdateAfterCut(t *testing.T) {
	for title, cut := range cuts {
		m := twoVersions(t, 128)
		m.boot("1")
		m.customize()
		cut(m)
		if diff := cmp.Diff(mergedResult, m.boot("2")); diff != "" {
			t.Errorf("%s: result (-want +got):\n%s", title, diff)
		}
		if diff := cmp.Diff(merged, m.etc()); diff != "" {
			t.Errorf("%s: etc (-want +got):\n%s", title, diff)
		}
		if diff := cmp.Diff(with(customized, files{".updated": ""}), m.tree(m.store("1", "etc"))); diff != "" {
			t.Errorf("%s: saved (-want +got):\n%s", title, diff)
		}
	}
}

// TestIntegrationNoUpdateAfterCut boots the old version after the cut: nothing of the
// update is there, and what was left is dropped.
func TestIntegrationNoUpdateAfterCut(t *testing.T) {
	for title, cut := range cuts {
		m := twoVersions(t, 128)
		m.boot("1")
		m.customize()
		cut(m)
		if diff := cmp.Diff(instance.Result{}, m.boot("1")); diff != "" {
			t.Errorf("%s: result (-want +got):\n%s", title, diff)
		}
		if diff := cmp.Diff(with(customized, files{".updated": ""}), m.etc()); diff != "" {
			t.Errorf("%s: etc (-want +got):\n%s", title, diff)
		}
		if exists(m.store("1", "etc")) {
			t.Errorf("%s: an /etc that was never exchanged is kept", title)
		}
	}
}

// TestIntegrationCutAfterExchange starts where /etc was exchanged and /var not filled;
// and where what a rollback brought back is still there, too.
func TestIntegrationCutAfterExchange(t *testing.T) {
	m := twoVersions(t, 128)
	m.boot("1")
	m.btrfs("snapshot", m.path("var"), m.path("oldvar"))
	m.boot("2")
	m.btrfs("delete", m.path("var"))
	if err := os.Rename(m.path("oldvar"), m.path("var")); err != nil {
		t.Fatal(err)
	}
	m.edit(files{"etc/.updated": ""})
	m.boot("2")
	if got := m.read("var/lib/b/c"); got != "2" || exists(m.path("etc/.updated")) {
		t.Errorf("/var is not filled: %q, or its stamp of systemd is left", got)
	}
	m.boot("1")
	m.btrfs("snapshot", m.path("etc"), m.store("1", "etc"))
	before := m.etc()
	m.boot("1")
	m.boot("2")
	if diff := cmp.Diff(before, m.tree(m.store("1", "etc"))); diff != "" {
		t.Errorf("saved (-want +got):\n%s", diff)
	}
}

// TestIntegrationUpdateNested has subvolumes inside of /etc and /var, which a snapshot
// would lose, and an /etc that is none itself.
func TestIntegrationUpdateNested(t *testing.T) {
	m := twoVersions(t, 128)
	m.boot("1")
	m.customize()
	m.btrfs("create", m.path("etc/nested"))
	m.btrfs("create", m.path("var/lib/machines"))
	m.btrfs("create", m.path("var/spool"))
	m.edit(files{"etc/nested/deep/x": "m", "var/lib/machines/x": "m"})
	m.boot("2")
	want := with(merged, files{"nested/deep/x": "m"})
	if diff := cmp.Diff(want, m.etc()); diff != "" {
		t.Errorf("etc (-want +got):\n%s", diff)
	}
	if m.read("var/lib/machines/x") != "m" || m.read("var/spool/x") != "2" {
		t.Error("a subvolume in /var is not as it should be")
	}
	if !exists(m.store("1", "etc/nested/deep/x")) {
		t.Error("the subvolume in the saved /etc is lost")
	}
	m.boot("1")
	if diff := cmp.Diff(with(customized, files{"nested/deep/x": "m"}), m.etc()); diff != "" {
		t.Errorf("back: etc (-want +got):\n%s", diff)
	}
}

func TestIntegrationUpdatePlainDirectory(t *testing.T) {
	m := twoVersions(t, 128)
	m.boot("1")
	m.customize()
	testfs.Run(t, "cp", "-a", m.path("etc"), m.path("plain"))
	m.btrfs("delete", m.path("etc"))
	if err := os.Rename(m.path("plain"), m.path("etc")); err != nil {
		t.Fatal(err)
	}
	m.boot("2")
	if diff := cmp.Diff(merged, m.etc()); diff != "" {
		t.Errorf("etc (-want +got):\n%s", diff)
	}
	m.boot("1")
	if diff := cmp.Diff(customized, m.etc()); diff != "" {
		t.Errorf("back: etc (-want +got):\n%s", diff)
	}
}

// TestIntegrationUpdateHostile plants links where the update goes: nothing behind them
// changes, nor is read.
func TestIntegrationUpdateHostile(t *testing.T) {
	m := newMachine(t, 128)
	m.kept = func(path string) bool { return path == "/etc/kept/key" }
	old := files{"etc/d/a": "1", "etc/f": "1", "etc/gone/a": "1", "etc/x": "1", "var/lib/a": "1"}
	m.release("1", old)
	m.release("2", files{"etc/d/a": "2", "etc/d/b": "2", "etc/f": "2", "etc/n/a": "2", "etc/x": "2", "var/lib/b": "2"})
	m.boot("1")
	outside := t.TempDir()
	want := files{"a": "1", "key": "1"}
	m.write(outside, want)
	m.remove("etc/d", "etc/f", "etc/gone", "var/lib")
	m.edit(files{"etc/d": "-> " + outside, "etc/f": "-> " + outside + "/a", "etc/gone": "-> " + outside,
		"etc/n": "-> " + outside, "etc/x.freshroot-new": "-> " + outside + "/a", "etc/x": "m",
		"etc/.freshroot.new": "-> " + outside, "var/.freshroot.new": "-> " + outside, "var/lib": "-> " + outside,
		"etc/.updated": "-> " + outside + "/a", "etc/kept": "-> " + outside})
	m.boot("2")
	m.remove("etc/kept")
	m.edit(files{"etc/kept/key": "k"}) // kept, below what is a link in the other one
	m.boot("1")
	if got := m.read("etc/kept/key"); got != "k" {
		t.Errorf("kept: %q", got)
	}
	m.boot("2")
	if diff := cmp.Diff(want, m.tree(outside)); diff != "" {
		t.Errorf("outside (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{"d.freshroot-new/b": "2", "f.freshroot-new": "2", "n.freshroot-new/a": "2",
		"x.freshroot-new": "2", "x": "m"} {
		if got := m.read("etc/" + name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestIntegrationUpdateRefused has a link where the instance keeps versions: /etc stays
// as it is, /var comes along, and the boot can go on.
func TestIntegrationUpdateRefused(t *testing.T) {
	m := twoVersions(t, 128)
	m.boot("1")
	m.customize()
	outside := t.TempDir()
	m.write(outside, files{"base/evil": "", "etc/evil": "", "etc/.freshroot": vendor + "1\n"})
	m.btrfs("delete", m.store("1", "base"))
	m.remove(".freshroot/" + vendor + "1")
	m.edit(files{".freshroot/" + vendor + "1": "-> " + outside})
	before, there := m.etc(), m.tree(outside)
	_, err := m.target("2").Ensure()
	var update *instance.UpdateError
	if !errors.As(err, &update) || !errors.Is(err, unix.ELOOP) {
		t.Errorf("error %v", err)
	}
	want := `update /etc to "` + vendor + `2": open directory "` + m.store("1", "base") + `": too many levels of symbolic links
drop what was kept of old versions: open directory "` + m.store("1", "etc") + `": too many levels of symbolic links`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	m.clean()
	if diff := cmp.Diff(before, m.etc()); diff != "" {
		t.Errorf("etc (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(there, m.tree(outside)); diff != "" {
		t.Errorf("outside (-want +got):\n%s", diff)
	}
	if got := m.read("var/lib/b/c"); got != "2" || exists(m.path("var/.updated")) {
		t.Errorf("/var did not come along: %q", got)
	}
	m.remove(".freshroot/" + vendor + "1")
	if result := m.boot("2"); result.Change != instance.Merged || exists(m.path("etc/.updated")) {
		t.Errorf("once it can be updated: %+v", result)
	}
}

// TestIntegrationStale looks at the stamps of both parts.
func TestIntegrationStale(t *testing.T) {
	m := twoVersions(t, 128)
	check := func(about, version string, want bool) {
		t.Helper()
		if got, err := m.target(version).IsStale(); got != want || err != nil {
			t.Errorf("%s: %v, %v; want %v", about, got, err, want)
		}
	}
	check("not there", "1", false)
	m.boot("1")
	check("as made", "1", false)
	check("another version", "2", true)
	for _, part := range []string{"etc", "var"} {
		m.boot("2")
		check("both brought along", "2", false)
		m.edit(files{part + "/.freshroot": vendor + "1\n"})
		check("only not /"+part, "2", true)
	}
}

// TestIntegrationVarNoSpace fills the disk with what comes to /var: nothing of it is
// left, and it comes when there is room.
func TestIntegrationVarNoSpace(t *testing.T) {
	m := newMachine(t, 128)
	m.release("1", files{"var/lib/a": "1"})
	dir := m.release("2", files{"var": "/"})
	m.boot("1")
	tmpfs := testfs.Tmpfs(t, "size=400m")
	testfs.Run(t, "mount", "--bind", tmpfs, dir)
	t.Cleanup(func() { testfs.Run(t, "umount", dir) })
	m.write(dir, files{"var/lib/b": "2", "var/zbig": strings.Repeat("incompressible?", 12<<20)})
	_, err := m.target("2").Ensure()
	var update *instance.UpdateError
	if !errors.Is(err, unix.ENOSPC) || !errors.As(err, &update) {
		t.Fatalf("error %v, want %v", err, unix.ENOSPC)
	}
	m.clean()
	if diff := cmp.Diff(files{"lib/a": "1"}, m.tree(m.path("var"))); diff != "" {
		t.Errorf("var (-want +got):\n%s", diff)
	}
	if err := os.Truncate(tmpfs+"/var/zbig", 1); err != nil {
		t.Fatal(err)
	}
	m.boot("2")
	if diff := cmp.Diff(files{"lib/a": "1", "lib/b": "2", "zbig": "i"}, m.tree(m.path("var"))); diff != "" {
		t.Errorf("with room (-want +got):\n%s", diff)
	}
}
