package apply_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/tmpfiles/apply"
)

// tables are lines that a generator does not come to by chance. The script makes the
// tree below the directory w.
var tables = []struct {
	name, script, config string
	ops                  apply.Operations
}{
	{"missing parents", "", "f /w/a/b/c 0600 ada staff - text\nd /w/a/b/d 2750 ada staff", apply.Create},
	{"parent later in the file", "", "f /w/a/b - - - - x\nd /w/a 0700 ada ada", apply.Create},
	{"write without truncation", "printf 'long text' >w/a", "w /w/a - - - - new", apply.Create},
	{"write to a pattern", "echo a >w/a1; echo b >w/a2; echo c >w/b", "w+ /w/a* - - - - new", apply.Create},
	{"appending twice", "echo a >w/a", "w+ /w/a - - - - one\\n\nw+ /w/a - - - - two\\n", apply.Create},
	{"write through a link", "echo a >w/a; ln -s a w/l", "w /w/l 0600 - - - b", apply.Create},
	{"file through a link", "echo a >w/a; ln -s a w/l", "f+ /w/l 0600 - - - b", apply.Create},
	{"directory is a link", "mkdir w/a; ln -s a w/l", "d /w/l 0700\ne /w/l 0711\nf /w/l/x", apply.Create},
	{"replace by link", "mkdir -p w/a/b; touch w/c", "L+ /w/a - - - - target\nL+ /w/c - - - - /w/a", apply.Create},
	{"link keeps what exists", "ln -s other w/a; touch w/b", "L /w/a - - - - target\nL /w/b - - - - target", apply.Create},
	{"link to the factory", "mkdir -p usr/share/factory/w; touch usr/share/factory/w/a",
		"L /w/a\nL? /w/b\nL? /w/c - - - - usr/share/factory/w/a", apply.Create},
	{"copy a tree", `mkdir -p w/s/d/e; echo 1 >w/s/f; ln w/s/f w/s/d/g; ln -s f w/s/l; mkfifo w/s/p
		chown 1000:1000 w/s/d; chmod 2750 w/s/d; chmod 4755 w/s/f; touch -d 2001-02-03 w/s/f w/s/d/e w/s/d w/s
		setfattr -n user.a -v 1 w/s/f; setfacl -m u:1001:rwx w/s/d/e; setcap cap_chown+p w/s/d/g`,
		"C /w/t 0700 - staff - /w/s\nC /w/u - bob - - /w/s", apply.Create},
	{"copy merges", "mkdir -p w/s/d w/t/d w/u; echo new >w/s/f; echo new >w/s/d/g; echo old >w/t/f; mkdir w/v; touch w/v/x",
		"C+ /w/t - - - - /w/s\nC /w/u 0711 - - - /w/s\nC /w/v 0711 - - - /w/s", apply.Create},
	{"copy a file", "echo a >w/s; chmod 600 w/s; ln -s s w/l; ln -s none w/n", "C /w/t - ada - - /w/s\nC /w/u - - - - /w/l\nC /w/v - - - - /w/n", apply.Create},
	{"copy to another type", "echo a >w/s; mkdir w/t w/d; ln -s nowhere w/l", "C /w/t 0700 - - - /w/s\nC+ /w/l - - - - /w/d", apply.Create},
	{"force through files", "touch w/a; mkdir -p w/d/e; ln -s none w/l", "d= /w/a/b/c\nf= /w/d - - - - x\nL= /w/l/x - - - - y", apply.Create},
	{"recursive modes", "mkdir -p w/a/b; touch w/a/b/f w/a/g; chmod 700 w/a/g; ln -s g w/a/l", "Z /w/a ~2775 ada :staff", apply.Create},
	{"set-id bits survive a new owner", "touch w/a; chmod 6755 w/a", "z /w/a - ada staff", apply.Create},
	{"attributes", "touch w/a; mkdir w/d", "h /w/a - - - - +d\nh /w/d - - - - =A\nh /w/a - - - - -d", apply.Create},
	{"access control lists", "touch w/a; mkdir w/d; touch w/d/x; chmod 755 w/d/x",
		"a+ /w/a - - - - u:ada:rw,m::r\nA+ /w/d - - - - u:bob:rwX,d:g:staff:rX\na /w/d/x - - - - u:ada:rX", apply.Create},
	{"unknown in a list", "touch w/a", "a /w/a - - - - u:nobodyhere:r", apply.Create},
	{"braces and classes", "touch w/a w/b w/c1 w/.d w/e", "z /w/{a,b,c[[:digit:]],.d} 0600 ada", apply.Create},
	{"broken lines", "", "d /w/a 0999\nq\nd relative\nd /w/b 0755 nobodyhere\nd /w/c\ny /w/d\nd+++ /w/e\nd /w/%Y", apply.Create},
	{"optional", "touch w/a", "f- /w/a/b\nd /w/c", apply.Create},
	{"not optional", "touch w/a", "f /w/a/b\nd /w/c", apply.Create},
	{"remove", "mkdir -p w/a/b w/c/d w/e; touch w/a/b/f w/e/x", "r /w/a\nR /w/c\nr /w/e/*\nD /w/a/b", apply.Remove},
	{"remove but for", "mkdir -p w/a/b/c w/a/d; touch w/a/b/f w/a/b/c/g w/a/d/h w/a/i", "R /w/a\nx /w/a/b/f\nX /w/a/d\nd /w/a/b/c", apply.Remove},
	{"empty then make", "mkdir -p w/a/b; touch w/a/b/f", "D /w/a 0700 ada", apply.Remove | apply.Create},
	{"purge", "mkdir -p w/a/b; touch w/a/b/f w/c w/d", "d$ /w/a\nf$ /w/c\nf /w/d", apply.Purge},
	{"clean by time of change", `mkdir -p w/a/old w/a/new w/a/full; touch w/a/f w/a/full/x; touch -d 2020-01-02 w/a/g w/a/old w/a/full w/a/h
		chmod 1644 w/a/h; mkfifo w/a/p; touch -d 2020-01-02 w/a/p; touch -d 2020-01-01 w/a`, "d /w/a - - - mM:1d", apply.Clean},
	{"clean but the first level", "mkdir -p w/a/d/e; touch -d 2020-01-02 w/a/f w/a/d/g w/a/d/e", "d /w/a - - - ~mM:1d", apply.Clean},
	{"clean around exceptions", "mkdir -p w/a/b/c w/a/d; touch -d 2020-01-02 w/a/b/f w/a/b/c/g w/a/d/h w/a/i w/a/b/c w/a/b w/a/d",
		"d /w/a - - - mM:1d\nx /w/a/b\nX /w/a/d\nd /w/a/b/c - - - mM:9999d", apply.Clean},
	{"clean by pattern", "mkdir -p w/u1/c w/u2/c; touch -d 2020-01-02 w/u1/c/f w/u2/c/f", "e /w/*/c - - - m:1d", apply.Clean},
	{"age of nothing", "mkdir -p w/a/b; touch w/a/f w/a/b/g", "d /w/a - - - 0", apply.Clean},
	{"age of the newest time", "mkdir w/a; touch -d 2020-01-02 w/a/f", "d /w/a - - - 1d", apply.Clean},
	{"the parent is a file", "touch w/a", "d /w/a/b\np /w/a/c\nL /w/a/d - - - - x", apply.Create},
	{"loops of links", "ln -s b w/a; ln -s a w/b", "f /w/a/x\nz /w/a 0600 - bob\nd /w/c", apply.Create},
	{"nodes", "touch w/a w/b", "c /w/n 0600 ada - - 1:3\nb+ /w/a 0640 - staff - 7:9\np /w/b\np+ /w/b2 0622", apply.Create},
	{"special names", "", `d "/w/a b"` + "\n" + `f "/w/\x41\n" - - - - 100%%\n` + "\n" + `d /w//x/./y/`, apply.Create},
	{"dots in paths", "mkdir -p w/a/b", "d /w/a/../c\nr /w/a/../a/b\nz /w/a/../a 0700", apply.Create | apply.Remove},
	{"extended attributes", "touch w/a; mkdir -p w/d/e", `t /w/a - - - - user.x=1 "user.y=a b"` + "\nT /w/d - - - - user.z=%%", apply.Create},
}

// TestIntegrationTables compares what the two leave for each of the tables.
func TestIntegrationTables(t *testing.T) {
	for _, tool := range []string{"setfacl", "setfattr", "setcap"} {
		testfs.Tool(t, tool)
	}
	w := newWhere(t, testfs.Tmpfs(t, "size=64m"))
	for _, table := range tables {
		t.Run(table.name, func(t *testing.T) {
			w.clear(t)
			for _, root := range []string{w.theirs, w.ours} {
				script(t, root, table.script)
			}
			w.compare(t, table.config, table.ops)
		})
	}
}

// script runs a shell in a directory.
func script(t testing.TB, dir, text string) {
	t.Helper()
	cmd := exec.Command("sh", "-ec", text)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// compare runs both, and compares the trees and the exit status.
func (w *where) compare(t *testing.T, config string, ops apply.Operations) {
	t.Helper()
	since := begin()
	theirStatus, theySay := w.runTheirs(t, config, ops)
	ourStatus, weSay := w.runOurs(t, config, ops)
	diff := cmp.Diff(snapshot(t, w.theirs, since), snapshot(t, w.ours, since))
	if diff != "" || theirStatus != ourStatus {
		t.Errorf("%v: status %d, want %d\n%s\n%s\nsystemd says:\n%swe say:\n%s",
			options(ops, true), ourStatus, theirStatus, config, diff, theySay, weSay)
	}
}

// TestIntegrationSubvolumes makes subvolumes where the root is one.
func TestIntegrationSubvolumes(t *testing.T) {
	top := testfs.Btrfs(t, 128)
	w := newWhereIn(t, func(name string) string {
		path := filepath.Join(top, name)
		testfs.Run(t, "btrfs", "-q", "subvolume", "create", path)
		return path
	})
	config := "v /w/v 0750 ada staff\nq /w/q\nQ /w/Q 0700\nd /w/d\nv= /w/v/inner\nC /w/c - - - - /w/d\nh /w/d - - - - +C\nf= /w/sub"
	for _, root := range []string{w.theirs, w.ours} {
		mkdir(t, root+"/w")
		testfs.Run(t, "btrfs", "-q", "subvolume", "create", root+"/w/sub")
	}
	w.compare(t, config, apply.Create)
	for _, name := range []string{"v", "q", "Q", "v/inner", "d"} {
		got := [2]bool{isSubvolume(t, w.theirs+"/w/"+name), isSubvolume(t, w.ours+"/w/"+name)}
		if got[0] != got[1] {
			t.Errorf("%s: subvolume %v, want %v", name, got[1], got[0])
		}
	}
}

// TestIntegrationQuota compares the quota groups of the subvolumes that both make.
func TestIntegrationQuota(t *testing.T) {
	top := testfs.Btrfs(t, 128)
	testfs.Run(t, "btrfs", "quota", "enable", top)
	w := newWhereIn(t, func(name string) string {
		path := filepath.Join(top, name)
		testfs.Run(t, "btrfs", "-q", "subvolume", "create", path)
		return path
	})
	mkdir(t, w.theirs+"/w", w.ours+"/w")
	w.compare(t, "q /w/q\nQ /w/Q\nq /w/Q/q\nQ /w/Q/Q\nv /w/Q/v\nq /w/Q/Q/q", apply.Create)
	want, got := quotaGroups(t, top, w.theirs), quotaGroups(t, top, w.ours)
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		t.Error(diff)
	}
}

// quotaGroups says which subvolumes of a root are in which groups, named after these.
func quotaGroups(t *testing.T, top, root string) (relations []string) {
	t.Helper()
	var names []string // ID, path, ID, path
	for _, name := range []string{"", "/w/q", "/w/Q", "/w/Q/q", "/w/Q/Q", "/w/Q/v", "/w/Q/Q/q"} {
		id := strings.TrimSpace(testfs.Run(t, "btrfs", "inspect-internal", "rootid", root+name))
		names = append(names, "/"+id+" ", "/"+name+" ")
	}
	named := strings.NewReplacer(names...)
	for line := range strings.Lines(testfs.Run(t, "btrfs", "qgroup", "show", "-p", "--raw", top)) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.Contains(fields[0], "/") {
			continue
		}
		text := named.Replace(fields[0] + " in " + fields[3] + " ")
		if strings.Contains(text, "//") && fields[3] != "-" {
			relations = append(relations, text)
		}
	}
	slices.Sort(relations)
	return relations
}

func isSubvolume(t *testing.T, path string) bool {
	t.Helper()
	is, err := btrfs.IsSubvolume(testfs.Open(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return is
}

// TestIntegrationLocks leaves alone what somebody has locked.
func TestIntegrationLocks(t *testing.T) {
	w := newWhere(t, testfs.Tmpfs(t, "size=16m"))
	w.clear(t)
	for _, root := range []string{w.theirs, w.ours} {
		script(t, root, "mkdir -p w/a/held w/a/free; touch w/a/f w/a/g w/a/held/x w/a/free/y")
		for _, name := range []string{"/w/a/f", "/w/a/held"} {
			if err := unix.Flock(int(testfs.Open(t, root+name).Fd()), unix.LOCK_SH); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.compare(t, "d /w/a - - - 0", apply.Clean)
	for _, name := range []string{"f", "held/x"} {
		if _, err := os.Stat(w.ours + "/w/a/" + name); err != nil {
			t.Error(err)
		}
	}
}

// TestIntegrationMounts leaves other file systems alone.
func TestIntegrationMounts(t *testing.T) {
	w := newWhere(t, testfs.Tmpfs(t, "size=16m"))
	w.clear(t)
	for _, root := range []string{w.theirs, w.ours} {
		script(t, root, "mkdir -p w/a/m w/a/b w/m; touch w/a/f w/a/file")
		mount(t, "tmpfs", root+"/w/a/m", "tmpfs", 0)
		mount(t, "tmpfs", root+"/w/m", "tmpfs", 0)
		mount(t, root+"/w/a/f", root+"/w/a/file", "", unix.MS_BIND)
		script(t, root, "mkdir -p w/a/m/x w/m/lost+found; touch w/a/m/y w/m/aquota.user w/m/z")
	}
	w.compare(t, "R /w/a\nd /w/m - - - 0\nf= /w/m", apply.Remove|apply.Clean|apply.Create)
}
