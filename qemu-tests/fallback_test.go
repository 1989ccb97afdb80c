package qemutests_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/google/go-cmp/cmp"
)

// versions lists the golden masters of a machine that is off, with their counters.
func versions(t *testing.T, m *machine) (list []string) {
	t.Helper()
	inPool(t, m, func(top string) error {
		entries, err := os.ReadDir(top)
		for _, e := range entries {
			if version, is := strings.CutPrefix(e.Name(), usr); is {
				list = append(list, version)
			}
		}
		return err
	})
	slices.Sort(list)
	return list
}

func wantVersions(t *testing.T, m *machine, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, versions(t, m)); diff != "" {
		t.Errorf("versions in the pool (-want +got):\n%s", diff)
	}
}

// broken is a golden master that cannot boot.
func broken(t *testing.T, version string) guest.Member {
	t.Helper()
	return master(t, version, remove("sbin/init", "bin/init", "bin/sh"))
}

// TestIntegrationFallback has an update that never boots: after three tries the version
// before it does.
func TestIntegrationFallback(t *testing.T) {
	for _, mode := range []string{"no", "yes"} {
		t.Run(mode, func(t *testing.T) {
			m := newMachine(t, disk(t, pool(guest.Pool(broken(t, "2.0+3"), master(t, "1.0", nil)))))
			for _, want := range []string{"2.0+2-1", "2.0+1-2", "2.0+0-3"} {
				s := m.start("volatile=" + mode)
				s.expect("2.0.* has no init that can be executed", "^The machine reboots in 1s.\n")
				s.wait()
				wantVersions(t, m, "1.0", want)
			}
			r := m.boot("volatile=" + mode)
			if r.boot.Usr != usr+"1.0" || r.boot.Degraded || r.boot.CountedBy != "" {
				t.Errorf("booted %q, degraded: %v, counted by %q",
					r.boot.Usr, r.boot.Degraded, r.boot.CountedBy)
			}
			wantVersions(t, m, "1.0", "2.0+0-3")
		})
	}
}

// TestIntegrationCountModes counts a boot in each mode, before the power goes.
func TestIntegrationCountModes(t *testing.T) {
	for _, mode := range modes(instance) {
		t.Run(mode.name, func(t *testing.T) {
			m := newMachine(t, disk(t, pool(guest.Pool(master(t, "1.0+3", nil)))))
			for _, want := range []string{"1.0+2-1", "1.0+1-2"} {
				s := m.start("guest.stay volatile=" + mode.name + " " +
					guest.RunArg("sync")) // the markers, which the power cut would take
				s.expect("GUEST-DONE")
				s.vm.Powercut()
				wantVersions(t, m, want)
			}
			r := m.boot("volatile=" + mode.name)
			want := []any{usr + "1.0+0-3", "init", tries{0, 3}, 0}
			got := []any{r.boot.Usr, r.boot.CountedBy, r.boot.Tries, len(r.boot.Warnings)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("boot.json (-want +got):\n%s", diff)
			}
			mode.check(t, r, usr+"1.0+0-3", mode.etc, mode.variable)
		})
	}
}

// TestIntegrationDegraded has nothing but what never booted well. It does not reboot,
// for that would never end.
func TestIntegrationDegraded(t *testing.T) {
	m := newMachine(t, disk(t, pool(guest.Pool(broken(t, "2.0+0-3"), broken(t, "1.0+0-3")))))
	s := m.start("volatile=yes")
	s.expect("2.0.* never booted well, and there is nothing better",
		"2.0.* has no init that can be executed", "^The machine halts.", "reboot: System halted")
}

// TestIntegrationUncountable has a disk that cannot be written to.
func TestIntegrationUncountable(t *testing.T) {
	d := disk(t, pool(guest.Pool(master(t, "1.0+3", nil))))
	d.ReadOnly = true
	r := newMachine(t, d).boot("volatile=yes")
	if r.boot.Usr != usr+"1.0+3" || r.boot.CountedBy != "" || !r.warned("this try is not counted") {
		t.Errorf("booted %q, counted by %q, warnings: %q",
			r.boot.Usr, r.boot.CountedBy, r.boot.Warnings)
	}
}

// buildTool compiles the tool, and returns what puts it into a golden master.
func buildTool(t *testing.T) func(root string) error {
	t.Helper()
	tool := compileFor(t, "../cmd/freshroot")
	return func(root string) error {
		err := copyFile(filepath.Join(root, "bin/freshroot"), tool)
		if err != nil {
			return err
		}
		return os.Chmod(filepath.Join(root, "bin/freshroot"), 0o755)
	}
}
