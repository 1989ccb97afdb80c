package qemutests_test

import (
	"fmt"
	"testing"

	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/google/go-cmp/cmp"
)

// TestIntegrationPopulate says with freshroot.populate= what is made of a fresh root.
func TestIntegrationPopulate(t *testing.T) {
	for _, test := range []struct{ populate, run, want string }{
		{"auto", lookAtPopulated, populated},
		{"full", lookAtPopulated, populated},
		{"factory", "id guest-daemon; ls /etc/guest-made; cat /var/lib/guest-stale",
			"id: unknown user guest-daemon\n" +
				"ls: /etc/guest-made: No such file or directory\nof the image"},
		{"none", "ls -A /etc /var", "/etc:\nmarker\n\n/var:\nmarker\n"},
	} {
		t.Run(test.populate, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, disk(t, pool(guest.Pool(master(t, "1.0", addPopulation)))))
			r := m.boot("volatile=yes freshroot.populate=" + test.populate + " " +
				guest.RunArg(test.run))
			if diff := cmp.Diff(test.want, r.RunOutput); diff != "" {
				t.Errorf("populate=%s (-want +got):\n%s", test.populate, diff)
			}
			if len(r.boot.Warnings) > 0 {
				t.Errorf("warnings: %q", r.boot.Warnings)
			}
		})
	}
}

// TestIntegrationIdentity boots two machines statelessly from the same disk. That one
// machine keeps its id is seen by TestIntegrationOpenRC.
func TestIntegrationIdentity(t *testing.T) {
	t.Parallel()
	m := busyboxMachine(t)
	boot := func(uuid ...string) string {
		m.ExtraArgs = uuid
		return identity(t, m.boot("volatile=yes systemd.hostname="+hostname+" "+
			guest.RunArg("echo ---;"+lookAtIdentity)))
	}
	one := boot(productUUID...)
	if boot("-uuid", "a2b9d0f3-06a5-4c1b-8c57-0d5e2a1f7e11") == one {
		t.Errorf("two machines have the id %s", one)
	}
}

// TestIntegrationKeep writes what is to be kept and what is not, in each mode that
// throws /var away.
func TestIntegrationKeep(t *testing.T) {
	t.Parallel()
	const (
		rules = "/var/lib/kept/ reboot\n/etc/kept.conf reboot\n"
		write = "cd /; for f in etc/kept.conf etc/lost var/lib/kept/db var/lib/lost; do " +
			"cat $f; echo %d >> $f; done 2>/dev/null; sync"
	)
	m := newMachine(t, disk(t, pool(guest.Pool(master(t, "1.0", func(root string) error {
		return writeTree(root, map[string]string{
			"lib/freshroot/keep.d/guest.conf":      rules,
			"share/factory/etc/kept.conf":          "factory\n",
			"share/factory/var/lib/kept/db":        "factory\n",
			"share/factory/var/lib/kept/untouched": "",
		})
	})))))
	for i, boot := range []struct{ mode, want string }{
		// In the order of the files: kept.conf, lost, db, lost.
		{"no", "factory\nfactory\n"},
		{"yes", "factory\n0\nfactory\n0\n"},
		{"state", "factory\n0\n1\n0\nfactory\n0\n1\n"},
		{"yes", "factory\n0\n1\n2\nfactory\n0\n1\n2\n"},
	} {
		r := m.boot("volatile=" + boot.mode + " " + guest.RunArg(
			fmt.Sprintf(write, i)+"; ls /var/lib/kept/untouched"))
		if diff := cmp.Diff(boot.want+"/var/lib/kept/untouched\n", r.RunOutput); diff != "" {
			t.Errorf("boot %d, volatile=%s (-want +got):\n%s", i, boot.mode, diff)
		}
		if len(r.boot.Warnings) > 0 {
			t.Errorf("boot %d: warnings: %q", i, r.boot.Warnings)
		}
	}
}
