package qemutests_test

import (
	"strings"
	"testing"

	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/google/go-cmp/cmp"
)

// lived is what a disk goes through that is booted in one mode after the other. The modes
// from the first boot on, each on a disk of its own, are TestIntegrationModes.
var lived = []struct {
	mode          string
	etc, variable guest.Marker
}{
	{"no", guest.MarkerNew, guest.MarkerNew},
	{"no", guest.MarkerKept, guest.MarkerKept},
	{"state", guest.MarkerKept, guest.MarkerNew},
	{"yes", guest.MarkerNew, guest.MarkerNew},
	{"overlay", guest.MarkerKept, guest.MarkerKept},
}

// TestIntegrationDebian boots a real distribution with stock systemd in each mode, on one
// disk.
func TestIntegrationDebian(t *testing.T) {
	t.Parallel()
	const (
		entry    = "usr:org.debian.bookworm:x86-64:12.0"
		instance = "root:default:org.debian.bookworm:x86-64"
	)
	spec := pool(guest.Pool(guest.Member{Name: entry, Usr: debian.get(t)}))
	spec.SizeMiB = debianDisk
	m := newMachine(t, disk(t, spec))
	for _, l := range lived {
		r := m.boot("volatile=" + l.mode)
		modeOf(instance, l.mode).check(t, r, entry, l.etc, l.variable)
		checkSystemd(t, r)
	}
}

// checkSystemd wants a system that is up, with nothing that failed.
func checkSystemd(t *testing.T, r *report) {
	t.Helper()
	got := []string{r.Init, r.State, strings.Join(r.Failed, " ")}
	if diff := cmp.Diff([]string{"systemd", "running", ""}, got); diff != "" {
		t.Errorf("systemd (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(r.Time, "Startup finished in ") {
		t.Errorf("systemd-analyze time says %q", r.Time)
	}
	if len(r.boot.Warnings) > 0 {
		t.Errorf("warnings: %q", r.boot.Warnings)
	}
	t.Logf("%s: %s", r.boot.Mode, r.Time)
}
