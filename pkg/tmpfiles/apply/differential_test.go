package apply_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/tmpfiles/apply"
)

// TestIntegrationGenerated makes trees and configuration, applies it with both
// programs, and compares what they leave. FRESHROOT_TMPFILES_CASES says how many, and
// FRESHROOT_TMPFILES_SEED with which number to begin.
func TestIntegrationGenerated(t *testing.T) {
	cases := number(t, "FRESHROOT_TMPFILES_CASES", 2000)
	seed := number(t, "FRESHROOT_TMPFILES_SEED", 1)
	w := newWhere(t, testfs.Tmpfs(t, "size=256m"))
	noAccessTimes(t, w)
	differ := 0
	for i := seed; i < seed+cases; i++ {
		if !w.sameFor(t, i) {
			if differ++; differ == 10 {
				t.Fatal("too many differences")
			}
		}
	}
	if w.leftOut*10 > cases {
		t.Errorf("%d of %d cases were not compared", w.leftOut, cases)
	}
	t.Logf("%d cases, of which %d were not compared", cases, w.leftOut)
}

// TestIntegrationShipped applies what this machine's distribution ships.
func TestIntegrationShipped(t *testing.T) {
	w := newWhere(t, testfs.Tmpfs(t, "size=64m"))
	w.clear(t)
	for _, root := range []string{w.theirs, w.ours} {
		mkdir(t, root+"/usr/lib", root+"/usr/share")
		for _, name := range []string{
			"/usr/lib/tmpfiles.d", "/etc/passwd", "/etc/group", "/etc/machine-id", "/etc/os-release",
		} {
			testfs.Run(t, "cp", "-rL", "--remove-destination", name, filepath.Join(root, filepath.Dir(name)))
		}
		if _, err := os.Stat("/usr/share/factory"); err == nil {
			testfs.Run(t, "cp", "-a", "/usr/share/factory", root+"/usr/share")
		}
	}
	since := begin()
	// The second time, all is there already.
	for range 2 {
		for _, ops := range []apply.Operations{apply.Create | apply.Remove, apply.Clean} {
			theirs, theySay := w.runTheirs(t, "", ops)
			ours, weSay := w.runOurs(t, "", ops)
			diff := cmp.Diff(snapshot(t, w.theirs, since), snapshot(t, w.ours, since))
			if diff != "" || theirs != ours {
				t.Errorf("%v: status %d, want %d\n%s\nsystemd says:\n%swe say:\n%s",
					options(ops, true), ours, theirs, diff, theySay, weSay)
			}
		}
	}
}

// noAccessTimes has the kernel leave them as they are: systemd reads links to see whether
// a path is below an automount point, which makes these young again.
func noAccessTimes(t *testing.T, w *where) {
	t.Helper()
	const flags = unix.MS_REMOUNT | unix.MS_NOATIME
	if err := unix.Mount("", filepath.Dir(w.ours), "", flags, "size=256m"); err != nil {
		t.Fatal(err)
	}
}

func number(t *testing.T, variable string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("$%s: %v", variable, err)
	}
	return n
}

// What we say where we differ on purpose, see docs/tmpfiles.md: refusedToMake an unsafe
// path (systemd has made directories on the way by then), or to copy into itself, or to
// go by a link that anyone may have put there; refusedToWrite through somebody's link.
var (
	refusedToMake = regexp.MustCompile(`holds its own copy|where anyone may put one|` +
		`: (create|copy to|clear|look|open directory) .*link has been severed`)
	refusedToWrite = regexp.MustCompile(`: open .*unsafe path transition`)
)

// differs says whether that is so.
func differs(weSay string, theirStatus int) bool {
	return refusedToMake.MatchString(weSay) ||
		theirStatus == 0 && refusedToWrite.MatchString(weSay)
}

// sameFor compares the two for what a seed makes.
func (w *where) sameFor(t *testing.T, seed uint64) bool {
	t.Helper()
	w.clear(t)
	g := newGenerator(seed)
	things := g.tree(1 + g.IntN(25))
	config, ops := g.lines(8), g.operations()
	makeTree(t, w.theirs, things)
	makeTree(t, w.ours, things)
	since := begin()
	theirStatus, theySay := w.runTheirs(t, config, ops)
	ourStatus, weSay := w.runOurs(t, config, ops)
	if differs(weSay, theirStatus) {
		w.leftOut++
		return true
	}
	diff := cmp.Diff(snapshot(t, w.theirs, since), snapshot(t, w.ours, since))
	if diff == "" && theirStatus == ourStatus {
		return true
	}
	for _, th := range things {
		t.Logf("%o %q %q, owner %d", th.kind, th.path, th.text, th.uid)
	}
	t.Errorf("seed %d, %v: status %d, want %d\n%s%s\nsystemd says:\n%swe say:\n%s",
		seed, options(ops, true), ourStatus, theirStatus, config, diff, theySay, weSay)
	return false
}
