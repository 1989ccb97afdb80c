package qemutests_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/google/go-cmp/cmp"
)

// texts are small files: what is in each, by name.
type texts map[string]string

// with returns the texts with others; "" takes one away.
func (t texts) with(others texts) texts {
	all := texts{}
	maps.Copy(all, t)
	maps.Copy(all, others)
	maps.DeleteFunc(all, func(_, text string) bool { return text == "" })
	return all
}

// What the factories of the two versions have in /etc/up.
var (
	vendor10 = texts{
		"untouched": "1.0", "dropped": "1.0", "both": "1.0", "mine": "1.0", "deleted": "1.0",
	}
	vendor11 = vendor10.with(texts{
		"untouched": "1.1", "dropped": "", "both": "1.1", "fresh": "1.1",
	})
)

// What the administrator makes of it in 1.0, and then in 1.1.
const (
	change10 = "echo admin > both; echo admin > mine; echo admin > own; rm deleted"
	change11 = "echo admin > later; rm fresh"
)

// What /etc/up has to be, after the changes, the update and the rollback.
var (
	administered = vendor10.with(texts{
		"both": "admin", "mine": "admin", "own": "admin", "deleted": "",
	})
	updated = vendor11.with(texts{
		"both": "admin", "both.freshroot-new": "1.1", "mine": "admin", "own": "admin",
		"deleted": "",
	})
)

// list prints a directory of texts, and parse reads it.
const list = "grep . /dev/null *"

func parse(output string) texts {
	t := texts{}
	for line := range strings.Lines(output) {
		name, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		t[name] = text
	}
	return t
}

// release is a golden master whose factory has these texts in /etc/up.
func release(entry string, tree *guest.Tree, up, others texts) guest.Member {
	files := others.with(nil)
	for name, text := range up {
		files["share/factory/etc/up/"+name] = text + "\n"
	}
	return guest.Member{Name: entry, Usr: tree, Edit: func(root string) error {
		return writeTree(root, files)
	}}
}

// updates are the boots of a machine through an update and a rollback. Each lists
// /etc/up before the administrator changes it.
var updates = []struct {
	version, change string
	want            texts
}{
	{"1.0", change10, vendor10},
	{"1.1", change11, updated},
	{"1.0", "true", administered},
	{"1.1", "true", updated},
}

// TestIntegrationUpdate boots another version, the first one again, and the other.
func TestIntegrationUpdate(t *testing.T) {
	for _, mode := range []string{"no", "state"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			tree := busybox.get(t)
			m := newMachine(t, disk(t, pool(guest.Pool(
				release(usr+"1.0", tree, vendor10, nil),
				release(usr+"1.1", tree, vendor11, nil),
			))))
			for i, boot := range updates {
				r := m.boot("volatile=" + mode + " freshroot.usr=" + boot.version + " " +
					guest.RunArg("cd /etc/up && "+list+" && "+boot.change))
				checkUp(t, i, r, boot.version, boot.want)
			}
			// What was changed in 1.1 is in no /etc since the rollback, but not lost.
			inPool(t, m, func(top string) error {
				kept := filepath.Join(top, instance, ".freshroot", usr+"1.1", "etc/up/later")
				_, err := os.Stat(kept)
				return err
			})
		})
	}
}

// checkUp checks a boot of a version, and what it found in /etc/up.
func checkUp(t *testing.T, boot int, r *report, version string, want texts) {
	t.Helper()
	if diff := cmp.Diff(version, r.boot.Version); diff != "" {
		t.Errorf("boot %d: version (-want +got):\n%s", boot, diff)
	}
	if diff := cmp.Diff(want, parse(r.RunOutput)); diff != "" || r.RunStatus != 0 {
		t.Errorf("boot %d: /etc/up of %s, status %d (-want +got):\n%s",
			boot, version, r.RunStatus, diff)
	}
}

// updateUnit is run where /etc or /var need an update, and says that they had it. Debian
// has no systemd-update-done, which does this elsewhere.
var updateUnit = texts{
	"lib/systemd/system/guest-update.service": `[Unit]
ConditionNeedsUpdate=|/etc
ConditionNeedsUpdate=|/var
[Service]
Type=oneshot
ExecStart=touch -r /usr /etc/.updated /var/.updated
`,
	"lib/systemd/system/multi-user.target.d/guest-update.conf": `[Unit]
Wants=guest-update.service
`,
}

// TestIntegrationUpdateDebian does the same with systemd, which has to see each change of
// the version, and no change where there is none.
func TestIntegrationUpdateDebian(t *testing.T) {
	t.Parallel()
	const (
		usr = "usr:org.debian.bookworm:x86-64:"
		ran = "systemctl show -P ConditionResult guest-update.service"
	)
	tree := debian.get(t)
	spec := pool(guest.Pool(
		release(usr+"1.0", tree, vendor10, updateUnit),
		release(usr+"1.1", tree, vendor11, updateUnit),
	))
	spec.SizeMiB = debianDisk
	m := newMachine(t, disk(t, spec))
	for i, boot := range []struct {
		version, change string
		want            texts
		needsUpdate     string
	}{
		{"1.0", change10, vendor10, "yes"},
		{"1.0", "true", administered, "no"},
		{"1.1", change11, updated, "yes"},
		{"1.0", "true", administered, "yes"},
	} {
		r := m.boot("freshroot.usr=" + boot.version + " " + guest.RunArg(
			ran+"; cd /etc/up && "+list+" && "+boot.change))
		needed, rest, _ := strings.Cut(r.RunOutput, "\n")
		r.RunOutput = rest
		checkUp(t, i, r, boot.version, boot.want)
		got := []string{r.State, strings.Join(r.Failed, " "), needed}
		if diff := cmp.Diff([]string{"running", "", boot.needsUpdate}, got); diff != "" {
			t.Errorf("boot %d: systemd, and whether it saw an update (-want +got):\n%s", i, diff)
		}
	}
}
