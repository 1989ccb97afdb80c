package qemutests_test

import (
	"strings"
	"testing"

	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/google/go-cmp/cmp"
)

// TestIntegrationDebian boots a real distribution with stock systemd in each mode,
// twice on one disk.
func TestIntegrationDebian(t *testing.T) {
	const (
		entry    = "usr:org.debian.bookworm:x86-64:12.0"
		instance = "root:default:org.debian.bookworm:x86-64"
	)
	for _, mode := range modes(instance) {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			spec := pool(guest.Pool(guest.Member{Name: entry, Usr: debian.get(t)}))
			spec.SizeMiB = 768
			m := newMachine(t, disk(t, spec))
			cmdline := "volatile=" + mode.name
			r := m.boot(cmdline)
			mode.check(t, r, entry, guest.MarkerNew, guest.MarkerNew)
			checkSystemd(t, r)
			r = m.boot(cmdline)
			mode.check(t, r, entry, mode.etc, mode.variable)
			checkSystemd(t, r)
		})
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
