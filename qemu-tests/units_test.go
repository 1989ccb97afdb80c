package qemutests_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/qemu-tests/guest"
)

// wants are the units to enable, by what wants them.
var wants = map[string][]string{
	"basic.target.wants":  {"freshroot-bless.service", "freshroot-try.service"},
	"timers.target.wants": {"freshroot-log.timer", "freshroot-warn.timer"},
}

// installUnits puts the units into a /usr and enables them.
func installUnits(root string) error {
	units := filepath.Join(root, "lib/systemd/system")
	shipped, err := filepath.Glob("../dist/systemd/*")
	for _, unit := range shipped {
		err = errors.Join(err, copyFile(filepath.Join(units, filepath.Base(unit)), unit))
	}
	for target, names := range wants {
		dir := filepath.Join(units, target)
		err = errors.Join(err, os.MkdirAll(dir, 0o755))
		for _, name := range names {
			err = errors.Join(err, os.Symlink("../"+name, filepath.Join(dir, name)))
		}
	}
	return err
}

// TestIntegrationUnits boots a Debian that is on trial, with the units for systemd:
// first where the boot is never complete, then where it is.
func TestIntegrationUnits(t *testing.T) {
	t.Parallel()
	const debianUsr = "usr:org.debian.bookworm:x86-64:"
	tool := compileFor(t, "../cmd/freshroot")
	spec := pool(guest.Pool(guest.Member{
		Name: debianUsr + "12.0+3", Usr: debian.get(t), Edit: func(root string) error {
			path := filepath.Join(root, "bin/freshroot")
			return errors.Join(installUnits(root), copyFile(path, tool), os.Chmod(path, 0o755))
		},
	}))
	spec.SizeMiB = 768
	m := newMachine(t, disk(t, spec))
	look := guest.RunArg("systemctl is-active freshroot-bless.service freshroot-try.service " +
		"freshroot-log.timer freshroot-warn.timer; NO_COLOR=1 freshroot status")
	for _, c := range []struct {
		cmdline, entry, log string
		want                []string
	}{
		{"systemd.mask=boot-complete.target", "12.0+3", "12.0", []string{
			"inactive\nactive\nactive\nactive\n", "on trial until it is blessed: 1 made, 2 left"}},
		{"", "12.0", "", []string{
			"active\nactive\nactive\nactive\n", "blessed: it has booted well"}},
	} {
		r := m.boot("volatile=yes " + c.cmdline + " " + look)
		if r.State != "running" {
			t.Errorf("%q: systemd is %s, failed: %q", c.cmdline, r.State, r.Failed)
		}
		for _, want := range c.want {
			if !strings.Contains(r.RunOutput, want) {
				t.Errorf("%q: lacks %q:\n%s", c.cmdline, want, r.RunOutput)
			}
		}
		inPool(t, m, func(top string) error {
			logs, err := os.ReadDir(filepath.Join(top, ".freshroot/log"))
			log := ""
			for _, l := range logs {
				log += strings.TrimPrefix(l.Name(), debianUsr)
			}
			if diff := cmp.Diff(c.log, log); diff != "" {
				t.Errorf("%q: logs (-want +got):\n%s", c.cmdline, diff)
			}
			if _, err := os.Stat(filepath.Join(top, debianUsr+c.entry)); err != nil {
				t.Errorf("%q: %v", c.cmdline, err)
			}
			return err
		})
	}
}
