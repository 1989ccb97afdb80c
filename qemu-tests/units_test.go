package qemutests_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/qemu-tests/guest"
)

// wants are the units to enable, by what wants them.
var wants = map[string][]string{
	"basic.target.wants":  {"freshroot-bless.service", "freshroot-try.service"},
	"timers.target.wants": {"freshroot-log.timer", "freshroot-warn.timer"},

	`dev-virtio\x2dports-org.freshroot.ci.device.wants`: {"freshroot-ci.service"},
}

// stuck hangs where it is asked to, until its job times out: the machine reboots in order
// then, though no unit has failed.
const stuck = `[Unit]
ConditionKernelCommandLine=guest.stuck
Before=boot-complete.target
JobRunningTimeoutSec=1s
JobTimeoutAction=reboot

[Service]
Type=oneshot
ExecStart=sleep infinity
SuccessExitStatus=SIGTERM
`

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
	return errors.Join(err, writeTree(units, map[string]string{
		"stuck.service":                       stuck,
		"boot-complete.target.d/test.conf":    "[Unit]\nRequires=stuck.service\n",
		"freshroot-bless.service.d/test.conf": "[Unit]\nConditionKernelCommandLine=!guest.unblessed\n",
	}))
}

// TestIntegrationUnits boots a Debian that is on trial, with the units for systemd:
// first it reboots by itself, which costs a try, then it is shut down before it is
// blessed, which does not, and then it is blessed. Systemd has nothing to say against
// the units.
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
	m.start("volatile=yes guest.stuck").wait()
	inPool(t, m, func(top string) error {
		_, err := os.Stat(filepath.Join(top, debianUsr+"12.0+2-1"))
		return err
	})

	look := guest.RunArg("cd /usr/lib/systemd/system; echo \"verify: " +
		"$(systemd-analyze verify --man=no ./freshroot-*.service ./freshroot-*.timer 2>&1) $?\"; " +
		"systemctl is-active freshroot-bless.service freshroot-try.service " +
		"freshroot-log.timer freshroot-warn.timer; NO_COLOR=1 freshroot status")
	for _, c := range []struct {
		cmdline, entry string
		log            bool
		want           []string
	}{
		{"guest.unblessed", "12.0+2-1", true, []string{
			"verify:  0\n", "inactive\nactive\nactive\nactive\n",
			"on trial until it is blessed: 2 made, 1 left"}},
		{"", "12.0", false, []string{
			"verify:  0\n", "active\nactive\nactive\nactive\n", "blessed: it has booted well"}},
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
			log, _ := os.ReadFile(filepath.Join(top, ".freshroot/log", debianUsr+"12.0"))
			if kept := strings.Contains(string(log), "systemd[1]: "); kept != c.log {
				t.Errorf("%q: the log is kept: %v, %d bytes", c.cmdline, kept, len(log))
			}
			_, err := os.Stat(filepath.Join(top, debianUsr+c.entry))
			return err
		})
	}
}
