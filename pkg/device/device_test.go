package device_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/pkg/volatile"
)

const (
	mib  = 1 << 20
	uuid = "12345678-90ab-cdef-1234-567890abcdef"
)

// newImage makes a file of zeroes.
func newImage(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

// newBtrfs makes a btrfs in a file.
func newBtrfs(t *testing.T) string {
	t.Helper()
	path := newImage(t, 128*mib)
	testfs.Run(t, "mkfs.btrfs", "-q", "-U", uuid, "-L", "pool", path)
	return path
}

func TestReadDisk(t *testing.T) {
	path := newImage(t, 140*mib)
	testfs.Run(t, "sgdisk", "-n1:1M:+2M", "-t1:ef00", "-c1:EFI", "-n5:4M:+128M", "-t5:8304", "-c5:freshroot",
		"-u5:"+uuid, "-A5:set:59", path)
	fs, err := os.ReadFile(newBtrfs(t))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(fs, 4*mib); err != nil {
		t.Fatal(err)
	}
	got := device.ReadDisk(path)
	if len(got.Partitions) != 2 {
		t.Fatalf("read %+v", got)
	}
	want := volatile.Partition{
		Device: path + "5", Number: 5, Type: gpt.RootType("x86-64"), PartUUID: uuid, Label: "freshroot",
		UUID: uuid, FSLabel: "pool", Checksum: "crc32c", Disk: "disk.img", Offset: 4 * mib, Size: 128 * mib,
		GrowFS: true,
	}
	if diff := cmp.Diff(want, got.Partitions[1]); diff != "" {
		t.Errorf("pool (-want +got):\n%s", diff)
	}
	if esp := got.Partitions[0]; esp.UUID != "" || esp.Problem != "no btrfs" {
		t.Errorf("EFI: %+v", esp)
	}
}

func TestReadDiskWithoutTable(t *testing.T) {
	if got := device.ReadDisk(newImage(t, mib)); !errors.Is(got.Err, gpt.ErrNoTable) || got.Partitions != nil {
		t.Errorf("zeroes: %+v", got)
	}
	if got := device.ReadDisk("/nonexistent"); !errors.Is(got.Err, os.ErrNotExist) {
		t.Errorf("absent: %+v", got)
	}
	path := newBtrfs(t)
	got := device.ReadDisk(path)
	want := []volatile.Partition{{Device: path, UUID: uuid, FSLabel: "pool", Checksum: "crc32c", Disk: "disk.img", Size: 128 * mib}}
	if diff := cmp.Diff(want, got.Partitions); diff != "" {
		t.Errorf("whole disk (-want +got):\n%s", diff)
	}
}

// TestIntegrationLoop reads a part of a file through a loop device, and cannot write
// to it.
func TestIntegrationLoop(t *testing.T) {
	testfs.Root(t)
	path := newImage(t, 4*mib)
	if err := os.WriteFile(path, []byte(strings.Repeat("0123456789abcdef", 4*mib/16)), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	loop, err := device.AttachLoop(f, device.Range{Offset: mib, Size: 2 * mib})
	if err != nil {
		t.Fatal(err)
	}
	defer loop.Close()
	if size, err := device.Size(loop); size != 2*mib || err != nil {
		t.Errorf("size %d, %v", size, err)
	}
	if w, err := os.OpenFile(loop.Name(), os.O_WRONLY, 0); err == nil {
		_, err = w.WriteAt([]byte("x"), 0)
		w.Close()
		if err == nil {
			t.Error("the loop device can be written to")
		}
	}
	got := device.ReadDisk(loop.Name())
	if got.Size != 2*mib || !errors.Is(got.Err, gpt.ErrNoTable) {
		t.Errorf("read %+v", got)
	}
}

// TestIntegrationListen asks the kernel to announce a device anew.
func TestIntegrationListen(t *testing.T) {
	testfs.Root(t)
	l, err := device.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for {
		_, ok, err := l.Next(0)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
	}
	if err := os.WriteFile("/sys/class/mem/null/uevent", []byte("change"), 0); err != nil {
		t.Fatal(err)
	}
	for {
		e, ok, err := l.Next(10 * time.Second)
		if err != nil || !ok {
			t.Fatalf("no event: %v", err)
		}
		want := device.Event{Action: "change", Subsystem: "mem", DevName: "null"}
		if e == want {
			return
		}
	}
}

func TestSysfs(t *testing.T) {
	disks, err := device.Disks()
	if err != nil {
		t.Fatal(err)
	}
	lsblk := strings.Fields(testfs.Run(t, "lsblk", "-dno", "NAME"))
	slices.Sort(disks)
	want := slices.DeleteFunc(lsblk, func(name string) bool { return !device.IsDisk(name) })
	slices.Sort(want)
	if diff := cmp.Diff(want, disks); diff != "" {
		t.Errorf("disks (-lsblk +got):\n%s", diff)
	}
	seen := 0
	if err := device.Modaliases(func(string) { seen++ }); err != nil || seen == 0 {
		t.Errorf("%d modaliases, %v", seen, err)
	}
}

func TestBootPartition(t *testing.T) {
	dir := t.TempDir()
	if id, err := device.BootPartition(dir); id != "" || err != nil {
		t.Errorf("no variable: %q, %v", id, err)
	}
	name := dir + "/LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
	if err := os.WriteFile(name, []byte("\x06\x00\x00\x00A\x00B\x00\x00\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	if id, err := device.BootPartition(dir); id != "ab" || err != nil {
		t.Errorf("got %q, %v", id, err)
	}
}

func TestLoaderCounts(t *testing.T) {
	dir := t.TempDir()
	entry, err := device.CountedEntry(dir)
	if device.LoaderCounts(dir) || entry != "" || err != nil {
		t.Errorf("no variable, but it counts %q, %v", entry, err)
	}
	var raw []byte
	for _, c := range "\x06\x00\\loader\\entries\\a-1+2-1.conf\x00" {
		raw = append(raw, byte(c), 0)
	}
	name := dir + "/LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
	if err := os.WriteFile(name, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	entry, err = device.CountedEntry(dir)
	if !device.LoaderCounts(dir) || entry != "loader/entries/a-1+2-1.conf" || err != nil {
		t.Errorf("a variable, but it counts %q, %v", entry, err)
	}
}

func TestIntegrationLoadModuleErrors(t *testing.T) {
	testfs.Root(t)
	path := filepath.Join(t.TempDir(), "x.ko")
	if err := device.LoadModule(path, ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if err := os.WriteFile(path, []byte("no ELF"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := device.LoadModule(path, ""); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("no ELF: %v", err)
	}
}
