package qemutests_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/freshroot/freshroot/qemu-tests/image"
)

// grownSize is the size of the disk that the image is put on, in MiB. The first and the
// last of them are for the table.
const grownSize = 400

// TestIntegrationGrow boots an image from a larger disk: with volatile=yes not a byte
// changes, else the pool grows, once.
func TestIntegrationGrow(t *testing.T) {
	t.Parallel()
	spec := pool(guest.Pool(master(t, "1.0", nil)))
	spec.Partitions[0].Attributes |= gpt.GrowFS
	m := newMachine(t, disk(t, spec))
	path := m.Disks[0].Path
	if err := os.Truncate(path, grownSize<<20); err != nil {
		t.Fatal(err)
	}

	before := checksum(t, path)
	if r := m.boot("volatile=yes"); r.boot.Mode != "yes" || checksum(t, path) != before {
		t.Error("volatile=yes has changed the disk")
	}

	const grow = "grow /dev/vda1 and its file system by 240 MiB"
	r := m.boot("volatile=no " + guest.RunArg("echo data > /etc/data; df -m / | tail -n1"))
	if i := slices.Index(names(r.boot.Steps), grow); i != 0 || len(r.boot.Warnings) > 0 {
		t.Errorf("steps %q, warnings %q", names(r.boot.Steps), r.boot.Warnings)
	}
	if fields := strings.Fields(r.RunOutput); len(fields) < 2 || fields[1] != "398" {
		t.Errorf("df has not %d MiB: %s", grownSize-2, r.RunOutput)
	}
	checkGrown(t, path)

	r = m.boot("volatile=no " + guest.RunArg("cat /etc/data"))
	if diff := cmp.Diff("data\n", r.RunOutput); diff != "" {
		t.Errorf("what was written (-want +got):\n%s", diff)
	}
	if slices.Contains(names(r.boot.Steps), grow) || len(r.boot.Warnings) > 0 {
		t.Errorf("steps %q, warnings %q", names(r.boot.Steps), r.boot.Warnings)
	}
}

// checkGrown has others look at the table and the file system.
func checkGrown(t *testing.T, path string) {
	t.Helper()
	d := device.ReadDisk(path)
	if d.Err != nil || d.Partitions[0].Room != 0 || d.Partitions[0].Size != (grownSize-2)<<20 {
		t.Errorf("the disk is %+v", d)
	}
	if out := testfs.Run(t, "sgdisk", "-v", path); !strings.Contains(out, "No problems found") {
		t.Error(out)
	}
	err := image.Attach(path, 1, true, func(dev string) error {
		testfs.Run(t, "btrfs", "check", "--readonly", dev)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestIntegrationGrowCut boots what power has left of a growth: the new backup, and a
// primary table of which the header is old and the entries are new. The kernel knows no
// partition then.
func TestIntegrationGrowCut(t *testing.T) {
	t.Parallel()
	spec := pool(guest.Pool(master(t, "1.0", nil)))
	spec.Partitions[0].Attributes |= gpt.GrowFS
	m := newMachine(t, disk(t, spec))
	path := m.Disks[0].Path
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(grownSize << 20); err != nil {
		t.Fatal(err)
	}
	g, err := device.PlanGrowth(f, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range append(g.Writes[0], g.Writes[1][0]) {
		if _, err := f.WriteAt(w.Data, w.Offset); err != nil {
			t.Fatal(err)
		}
	}
	r := m.boot("volatile=no")
	if !r.warned("the kernel does not know /dev/vda1: adding it") || len(r.boot.Warnings) != 1 {
		t.Errorf("warnings: %q", r.boot.Warnings)
	}
	checkGrown(t, path)
}
