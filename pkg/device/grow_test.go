package device_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/gpt"
)

// TestIntegrationGrow grows a pool that is in use, on a disk that becomes larger.
func TestIntegrationGrow(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		t.Run(strconv.Itoa(sector), func(t *testing.T) {
			testfs.Root(t)
			image := newImage(t, 300*mib)
			loop := attachDisk(t, image, sector)
			testfs.Run(t, "sgdisk", "-n1:1M:+150M", "-t1:8304", "-c1:freshroot", "-A1:set:59", loop)
			pool := device.ReadDisk(loop).Partitions[0]
			if err := device.AddPartition(loop, pool); err != nil {
				t.Fatal(err)
			}
			testfs.Run(t, "mkfs.btrfs", "-q", pool.Device)
			top := mountAt(t, pool.Device)
			if err := os.WriteFile(filepath.Join(top, "file"), []byte("data"), 0o600); err != nil {
				t.Fatal(err)
			}
			checkRoom(t, loop, 148*mib)
			growNow(t, loop, top)
			checkRoom(t, loop, 0)
			if err := os.Truncate(image, 500*mib); err != nil {
				t.Fatal(err)
			}
			testfs.Run(t, "losetup", "-c", loop)
			checkRoom(t, loop, 200*mib)
			growNow(t, loop, top)
			checkRoom(t, loop, 0)
			if got, err := os.ReadFile(filepath.Join(top, "file")); string(got) != "data" {
				t.Errorf("the file is %q, %v", got, err)
			}
			out := testfs.Run(t, "sgdisk", "-v", loop)
			if !strings.Contains(out, "No problems found") {
				t.Error(out)
			}
			if err := device.GrowPartition(loop, 1); err != nil {
				t.Errorf("growing once more: %v", err)
			}
			if err := device.GrowPartition(loop, 2); err == nil {
				t.Error("a partition that is not there is grown")
			}
		})
	}
}

// growNow does what the init does.
func growNow(t *testing.T, disk, top string) {
	t.Helper()
	if err := device.GrowPartition(disk, 1); err != nil {
		t.Fatal(err)
	}
	dir := testfs.Open(t, top)
	if err := btrfs.Grow(dir); err != nil {
		t.Fatal(err)
	}
	want := device.ReadDisk(disk).Partitions[0].Size
	if size, err := btrfs.Size(dir); size != want || err != nil {
		t.Errorf("the file system has %d bytes of %d, %v", size, want, err)
	}
}

// checkRoom compares what ReadDisk says, and whether the kernel agrees. The kernel keeps
// what was read from a disk apart from what is written to its partitions.
func checkRoom(t *testing.T, disk string, want int64) {
	t.Helper()
	unix.Sync()
	testfs.Run(t, "blockdev", "--flushbufs", disk)
	d := device.ReadDisk(disk)
	if d.Err != nil || len(d.Partitions) != 1 || d.Partitions[0].Room != want || !d.Partitions[0].GrowFS {
		t.Fatalf("got %+v, want room of %d", d, want)
	}
	size, err := device.Size(testfs.Open(t, d.Partitions[0].Device))
	if size != d.Partitions[0].Size || err != nil {
		t.Errorf("the kernel has a partition of %d bytes, %v, want %d", size, err, d.Partitions[0].Size)
	}
}

// attachDisk makes a file a disk that can have partitions.
func attachDisk(t *testing.T, path string, sector int) string {
	t.Helper()
	loop := strings.TrimSpace(testfs.Run(t, "losetup", "-f", "-P", "--show", "-b", strconv.Itoa(sector), path))
	t.Cleanup(func() { testfs.Run(t, "losetup", "-d", loop) })
	return loop
}

// mountAt mounts a file system until the test ends, before its disk goes.
func mountAt(t *testing.T, device string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount(device, dir, "btrfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestPlanGrowth plans for an image, which is not written to.
func TestPlanGrowth(t *testing.T) {
	path := newImage(t, 20*mib)
	testfs.Run(t, "sgdisk", "-n1:1M:+2M", "-n2:3M:+2M", path)
	disk := testfs.Open(t, path)
	if g, err := device.PlanGrowth(disk, 2); err != nil || g.New.Size != 16*mib {
		t.Errorf("%+v, %v", g, err)
	}
	if _, err := device.PlanGrowth(disk, 1); !errors.Is(err, gpt.ErrNoRoom) {
		t.Errorf("a partition with another one behind it: %v", err)
	}
	if _, err := device.PlanGrowth(testfs.Open(t, newImage(t, mib)), 1); !errors.Is(err, gpt.ErrNoTable) {
		t.Errorf("zeroes: %v", err)
	}
}
