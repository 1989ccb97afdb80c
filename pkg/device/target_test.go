package device_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/device"
)

// open opens a disk exclusively until the test ends.
func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := device.OpenExclusive(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestIntegrationOpenExclusive opens disks that others use, in each way that needs no
// more than loop devices.
func TestIntegrationOpenExclusive(t *testing.T) {
	testfs.Root(t)
	image := newImage(t, 300*mib)
	disk := attachDisk(t, image, 512)
	refused := func(want string) {
		t.Helper()
		f, err := device.OpenExclusive(disk)
		if err == nil {
			f.Close()
		}
		var inUse *device.InUseError
		if !errors.As(err, &inUse) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	t.Run("exclusively", func(t *testing.T) {
		open(t, disk)
		refused(disk + " is in use")
	})
	t.Run("a loop device", func(t *testing.T) {
		other := attachDisk(t, disk, 512)
		refused(disk + " is a part of " + other)
	})
	t.Run("a partition that is mounted", func(t *testing.T) {
		testfs.Run(t, "sgdisk", "-n1:1M:+200M", disk)
		p := device.ReadDisk(disk).Partitions[0]
		if err := device.AddPartition(disk, p); err != nil {
			t.Fatal(err)
		}
		testfs.Run(t, "mkfs.btrfs", "-q", p.Device)
		dir := mountAt(t, p.Device)
		refused(p.Device + " is mounted on " + dir)
		if _, err := device.OpenExclusive(p.Device); err == nil {
			t.Error("a partition is opened as a disk")
		}
	})
	if _, err := device.OpenExclusive(disk + "p1"); err == nil || !strings.Contains(err.Error(), "is a partition") {
		t.Errorf("a partition: %v", err)
	}
	if _, err := device.OpenExclusive(image); err == nil || !strings.Contains(err.Error(), "is no block device") {
		t.Errorf("a file: %v", err)
	}
	open(t, disk)
}

// TestIntegrationWipe looks at a disk before and after.
func TestIntegrationWipe(t *testing.T) {
	testfs.Root(t)
	path := attachDisk(t, newImage(t, 300*mib), 4096)
	testfs.Run(t, "sgdisk", "-n1:1M:+1M", "-t1:ef00", "-c1:esp", "-n2:2M:+200M", "-t2:8304", "-c2:pool", path)
	p := device.ReadDisk(path).Partitions[1]
	if err := device.AddPartition(path, p); err != nil {
		t.Fatal(err)
	}
	testfs.Run(t, "mkfs.btrfs", "-q", p.Device)
	disk := open(t, path)
	got, err := device.Look(disk)
	want := device.Contents{
		Part:       device.Part{Device: path, Size: 300 * mib, Signatures: []string{"GPT"}},
		SectorSize: 4096,
		Parts: []device.Part{
			{Device: path + "p1", Offset: mib, Size: mib, Type: "EFI system", Label: "esp"},
			{Device: path + "p2", Offset: 2 * mib, Size: 200 * mib, Type: "root (x86-64)", Label: "pool",
				Signatures: []string{"btrfs"}},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(device.Part{}, "GUID")); diff != "" || err != nil {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	if err := errors.Join(device.Wipe(disk, got), device.Forget(disk), device.ReadPartitions(disk)); err != nil {
		t.Fatal(err)
	}
	again, err := device.Look(disk)
	if !again.IsEmpty() || err != nil {
		t.Errorf("after it: %+v, %v", again, err)
	}
	if out := testfs.Run(t, "wipefs", path); out != "" {
		t.Errorf("wipefs finds\n%s", out)
	}
	if _, err := os.Stat(p.Device); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", p.Device, err)
	}
}
