package device

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUsers(t *testing.T) {
	const mountinfo = `24 30 0:22 / /proc rw,relatime shared:5 - proc proc rw
36 30 0:32 /root:default /mnt/a\040b rw master:1 propagate_from:2 - btrfs /dev/sda2 rw,subvolid=256
37 30 8:3 / /srv rw - ext4 /dev/sda20 rw
short
`
	want := []string{`/dev/sda2 is mounted on /mnt/a\040b`}
	if diff := cmp.Diff(want, mountsOf(mountinfo, "/dev/sda2")); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
	const swaps = "Filename\tType\tSize\tUsed\tPriority\n/dev/sda3 partition\t1048572\t0\t-2\n\n"
	want = []string{"/dev/sda3 is swap space"}
	if diff := cmp.Diff(want, swapsOf(swaps, "/dev/sda3")); diff != "" {
		t.Errorf("swaps (-want +got):\n%s", diff)
	}
	if got := append(mountsOf(mountinfo, "/dev/sda"), swapsOf(swaps, "/dev/sda")...); got != nil {
		t.Errorf("users of the disk itself: %q", got)
	}
}
