package qemutests_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/freshroot/freshroot/qemu-tests/image"
)

// TestIntegrationBlocked has something else where freshroot's own directories are to be.
// An instance that is there boots all the same, and nothing is written where a link
// leads to.
func TestIntegrationBlocked(t *testing.T) {
	for name, block := range map[string]func(top string) error{
		"staging": func(top string) error {
			return errors.Join(os.Mkdir(filepath.Join(top, ".freshroot"), 0o700),
				os.Symlink("..", filepath.Join(top, ".freshroot/staging")))
		},
		"control": func(top string) error { return os.Symlink("/run", filepath.Join(top, ".freshroot")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := hostileInstance(t, func(top, _ string) error { return block(top) })
			r := m.boot("volatile=no " + guest.RunArg("ls -1 /etc/mine /var/mine"))
			if diff := cmp.Diff("/etc/mine\n/var/mine\n", r.RunOutput); diff != "" {
				t.Errorf("what the guest sees (-want +got):\n%s", diff)
			}
			if !r.warned("prepare an update: .*too many levels of symbolic links") {
				t.Errorf("warnings: %q", r.boot.Warnings)
			}
		})
	}
}

// editPool changes the pool of a machine that is off.
func editPool(t *testing.T, m *machine, edit func(top string) error) {
	t.Helper()
	if err := image.Mount(m.Disks[0].Path, 1, false, edit); err != nil {
		t.Fatal(err)
	}
}

// TestIntegrationFullPool has an instance that takes all data and all metadata of the
// pool. A version on trial boots, though it cannot be counted, and a reset makes room.
func TestIntegrationFullPool(t *testing.T) {
	t.Parallel()
	spec := pool(guest.Pool(master(t, "1.0+3", nil)))
	spec.SizeMiB = 1200
	m := newMachine(t, disk(t, spec))
	m.boot("volatile=no")
	editPool(t, m, func(top string) error {
		testfs.Fill(t, filepath.Join(top, instance, "var/big"))
		return nil
	})
	r := m.boot("volatile=no")
	checkMarkers(t, "full", r, guest.MarkerKept, guest.MarkerKept)
	if r.boot.Usr != usr+"1.0+2-1" || r.boot.CountedBy != "" ||
		!r.warned("the pool cannot be written to: .*no space left on device") {
		t.Errorf("booted %s, counted by %q, warnings: %q", r.boot.Usr, r.boot.CountedBy, r.boot.Warnings)
	}
	r = m.boot("volatile=no freshroot.reset=all")
	if record := r.reset(t); record == nil || !record.Done || !r.warned("the disk was full: the old state of ") {
		t.Errorf("boot.json has %+v, warnings: %q", record, r.boot.Warnings)
	}
	// The kernel frees the space behind the running system, some of it at each commit.
	r = m.boot("volatile=no " + guest.RunArg(
		"until dd if=/dev/zero of=/var/more bs=1M count=500 2>/dev/null; do sync; done; ls /var"))
	if r.RunStatus != 0 || strings.Contains(r.RunOutput, "big") || len(r.boot.Warnings) > 0 {
		t.Errorf("after the reset: %s\nwarnings: %q", r.RunOutput, r.boot.Warnings)
	}
}

// TestIntegrationNoClock boots a machine whose clock loses its battery: nothing depends on
// what time it is, nor on its going forward.
func TestIntegrationNoClock(t *testing.T) {
	t.Parallel()
	m := busyboxMachine(t)
	m.boot("")
	m.ExtraArgs = []string{"-rtc", "base=1970-01-01T00:00:00"}
	r := m.boot("freshroot.reset=all " + guest.RunArg("date +%Y; "+inTop(
		"mkdir -p .freshroot/requests; cd .freshroot/trash; echo undo $(ls | grep -e -1970) > ../requests/"+instance)))
	record := r.reset(t)
	if record == nil || !record.Done || !strings.Contains(record.Trashed, "@1-1970") || r.RunOutput != "1970\n" {
		t.Errorf("in %s boot.json has %+v", r.RunOutput, record)
	}
	checkMarkers(t, "reset", r, guest.MarkerNew, guest.MarkerNew)
	r = m.boot("")
	if undone := r.reset(t); undone == nil || !undone.Done || len(r.boot.Warnings) > 0 {
		t.Errorf("boot.json has %+v, warnings: %q", undone, r.boot.Warnings)
	}
	checkMarkers(t, "undone", r, guest.MarkerKept, guest.MarkerKept)
}

// TestIntegrationRenamed has an instance under another name, and one more beside it,
// after somebody has renamed by hand.
func TestIntegrationRenamed(t *testing.T) {
	t.Parallel()
	m := busyboxMachine(t)
	m.boot("")
	renamed := strings.TrimSuffix(instance, "x86-64") + "amd64"
	other := strings.TrimSuffix(instance, "x86-64") + "x86_64"
	editPool(t, m, func(top string) error {
		in := func(name string) string { return filepath.Join(top, name) }
		return errors.Join(os.Rename(in(instance), in(renamed)), image.Subvolume(in(other)),
			os.Rename(in(usr+"1.0"), in(usr+"1.0+git")))
	})
	r := m.boot("")
	if diff := cmp.Diff([]string{usr + "1.0+git", renamed}, []string{r.boot.Usr, r.boot.Instance}); diff != "" {
		t.Errorf("booted (-want +got):\n%s", diff)
	}
	checkMarkers(t, "renamed", r, guest.MarkerKept, guest.MarkerKept)
	if !r.warned(renamed + " is booted, and " + other + " left alone") {
		t.Errorf("warnings: %q", r.boot.Warnings)
	}
}
