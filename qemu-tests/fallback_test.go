package qemutests_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/pkg/archive"
	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/freshroot/freshroot/qemu-tests/image"
	"github.com/google/go-cmp/cmp"
)

// versionsIn lists the golden masters of a machine that is off, with their counters.
func versionsIn(t *testing.T, m *machine, partition int) (list []string) {
	t.Helper()
	err := image.Mount(m.Disks[0].Path, partition, true, func(top string) error {
		entries, err := os.ReadDir(top)
		for _, e := range entries {
			if version, is := strings.CutPrefix(e.Name(), usr); is {
				list = append(list, version)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

func wantVersions(t *testing.T, m *machine, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, versionsIn(t, m, 1)); diff != "" {
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
	t.Parallel()
	for _, mode := range []string{"no", "yes"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, disk(t, pool(guest.Pool(
				broken(t, "2.0+3"), withTool(t, "1.0")))))
			for _, want := range []string{"2.0+2-1", "2.0+1-2", "2.0+0-3"} {
				s := m.start("volatile=" + mode)
				s.expect("2.0.* has no init that can be executed", "^The machine reboots in 1s.\n")
				s.wait()
				wantVersions(t, m, "1.0", want)
			}
			r := m.boot("volatile=" + mode + " " + guest.RunArg("freshroot log show 2.0"))
			for _, want := range []string{"freshroot: booting " + usr + "2.0+1-2", "2.0+0-3 has no init"} {
				if !strings.Contains(r.RunOutput, want) {
					t.Errorf("the log of the failed boot lacks %q:\n%s", want, r.RunOutput)
				}
			}
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
	t.Parallel()
	for _, mode := range modes(instance) {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
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
			for _, s := range r.boot.Steps {
				if strings.HasPrefix(s.Name, "count ") {
					t.Logf("counted in %v s", s.Took)
				}
			}
		})
	}
}

// TestIntegrationDegraded has nothing but what never booted well. It does not reboot,
// for that would never end.
func TestIntegrationDegraded(t *testing.T) {
	t.Parallel()
	m := newMachine(t, disk(t, pool(guest.Pool(broken(t, "2.0+0-3"), broken(t, "1.0+0-3")))))
	s := m.start("volatile=yes")
	s.expect("2.0.* never booted well, and there is nothing better",
		"2.0.* has no init that can be executed", "^The machine halts.", "reboot: System halted")
}

// TestIntegrationDegradedOS has an OS that comes up all the same. If it hangs, or its kernel
// panics, the machine does not reboot either, but for who asks for it.
func TestIntegrationDegradedOS(t *testing.T) {
	t.Parallel()
	m := newMachine(t, disk(t, pool(guest.Pool(master(t, "1.0+0-3", nil)))))
	for _, c := range []struct{ cmdline, panic, watchdog string }{
		{"", "0\n", "the watchdog is not armed"},
		{"freshroot.on-failure=reboot", "1\n", "freshroot.watchdog= has no effect"}, // there is none
	} {
		r := m.boot("volatile=yes freshroot.watchdog=60 " + c.cmdline + " " +
			guest.RunArg("cat /proc/sys/kernel/panic"))
		if r.RunOutput != c.panic || !r.boot.Degraded || !r.warned(c.watchdog) {
			t.Errorf("%q: seconds until a panic reboots: %q; degraded: %v; warnings: %q",
				c.cmdline, r.RunOutput, r.boot.Degraded, r.boot.Warnings)
		}
	}
}

// TestIntegrationUnwritable has a disk that turns read-only, as worn flash does. What is
// in RAM boots all the same, and says what was not done.
func TestIntegrationUnwritable(t *testing.T) {
	t.Parallel()
	m := newMachine(t, disk(t, pool(guest.Pool(master(t, "1.0+3", nil)))))
	m.boot("volatile=no")
	m.Disks[0].ReadOnly = true
	for _, cmdline := range []string{"volatile=yes freshroot.reset=all freshroot.break=keep", "volatile=overlay"} {
		r := m.boot(cmdline)
		if sorted := slices.Sorted(slices.Values(r.boot.Warnings)); len(slices.Compact(sorted)) < len(r.boot.Warnings) {
			t.Errorf("%s: warned twice: %q", cmdline, r.boot.Warnings)
		}
		if r.boot.Usr != usr+"1.0+2-1" || r.boot.CountedBy != "" || !r.warned("the pool cannot be written to: ") {
			t.Errorf("%s: booted %q, counted by %q, warnings: %q",
				cmdline, r.boot.Usr, r.boot.CountedBy, r.boot.Warnings)
		}
		if r.warned("NOT DONE, .* reset all") != strings.Contains(cmdline, "reset") {
			t.Errorf("%s: warnings: %q", cmdline, r.boot.Warnings)
		}
	}
}

// withTool is a golden master with the tool.
func withTool(t *testing.T, version string) guest.Member {
	t.Helper()
	tool := compileFor(t, "../cmd/freshroot")
	return master(t, version, func(root string) error {
		path := filepath.Join(root, "bin/freshroot")
		return errors.Join(copyFile(path, tool), os.Chmod(path, 0o755))
	})
}

// toolMachine runs the tool from a version that is on trial. An older one has no tries
// left.
func toolMachine(t *testing.T) *machine {
	t.Helper()
	return newMachine(t, disk(t, pool(guest.Pool(
		withTool(t, "2.0+2-1"), master(t, "1.0+0-3", nil), master(t, "0.9", nil)))))
}

// TestIntegrationBless says from within the guest that it has booted well.
func TestIntegrationBless(t *testing.T) {
	t.Parallel()
	for _, mode := range modes(instance) {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			m := toolMachine(t)
			r := m.boot("volatile=" + mode.name + " " + guest.RunArg(
				"export NO_COLOR=1; freshroot status && freshroot bless && freshroot status && "+
					"freshroot mark-bad 0.9 && freshroot list"))
			for _, want := range []string{
				"on trial until it is blessed: 2 made, 1 left\n", "blessed: it has booted well\n",
				usr + "2.0+1-2 is " + usr + "2.0 now\n", usr + "0.9 is " + usr + "0.9+0 now\n",
				"bad: no tries left\n", "running, good\n",
			} {
				if !strings.Contains(r.RunOutput, want) {
					t.Errorf("the tool does not say %q:\n%s", want, r.RunOutput)
				}
			}
			wantVersions(t, m, "0.9+0", "1.0+0-3", "2.0")
			r = m.boot("volatile=" + mode.name)
			if r.boot.Usr != usr+"2.0" || r.boot.CountedBy != "" {
				t.Errorf("booted %q, counted by %q", r.boot.Usr, r.boot.CountedBy)
			}
		})
	}
}

// TestIntegrationGiveBack shuts down in order before the boot was judged, again and
// again: that does not make a version bad, but it is not for ever.
func TestIntegrationGiveBack(t *testing.T) {
	t.Parallel()
	m := toolMachine(t)
	for _, want := range []string{"2.0+2-1", "2.0+2-1", "2.0+2-1", "2.0+1-2"} {
		m.boot("volatile=yes " + guest.RunArg("freshroot bless --give-back"))
		wantVersions(t, m, "0.9", "1.0+0-3", want)
	}
}

// TestIntegrationWatchdog has an OS that hangs.
func TestIntegrationWatchdog(t *testing.T) {
	t.Parallel()
	m := newMachine(t, disk(t, pool(guest.Pool(master(t, "1.0+3", nil)))))
	m.Initramfs = build(t, "virtio,i6300esb", func(*archive.Options) {}).Output
	m.ExtraArgs = []string{"-device", "i6300esb"}
	s := m.start("volatile=yes guest.stay freshroot.watchdog=60")
	s.expect("GUEST-DONE")
	s.wait() // a machine that is reset ends
	wantVersions(t, m, "1.0+2-1")
	for _, other := range []string{"no effect", "Power down"} {
		if strings.Contains(s.vm.Output(), other) {
			t.Errorf("it was not the watchdog: the console says %q", other)
		}
	}
}

// TestIntegrationNoWatchdog asks for what is not there.
func TestIntegrationNoWatchdog(t *testing.T) {
	t.Parallel()
	r := busyboxMachine(t).boot("volatile=yes freshroot.watchdog=60")
	if !r.warned("freshroot.watchdog= has no effect") {
		t.Errorf("warnings: %q", r.boot.Warnings)
	}
}
