package image_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/qemu-tests/image"
	"github.com/google/go-cmp/cmp"
)

// needRoot skips a test that makes file systems. CI is root and has the tools.
func needRoot(t *testing.T, tools ...string) {
	t.Helper()
	var missing []string
	if os.Geteuid() != 0 {
		missing = append(missing, "root")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, tool)
		}
	}
	switch {
	case missing == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("missing under CI: %v", missing)
	default:
		t.Skipf("missing: %v", missing)
	}
}

// diskGUID and the others are given to be seen again in other tools' output.
const (
	diskGUID = "11111111-2222-3333-4444-555555555555"
	partGUID = "66666666-7777-8888-9999-aaaaaaaaaaaa"
	fsUUID   = "bbbbbbbb-cccc-4ddd-8eee-ffffffffffff"
)

// create makes an image with an ESP, an ext4 and a pool that holds one file.
func create(t *testing.T, sectorSize int) string {
	t.Helper()
	needRoot(t, "mkfs.btrfs", "mkfs.ext4", "btrfs")
	pool := image.Pool(func(top string) error {
		return os.WriteFile(filepath.Join(top, "file"), []byte("content"), 0o600)
	})
	pool.GUID, pool.FSUUID, pool.FSLabel = partGUID, fsUUID, "pool"
	path := filepath.Join(t.TempDir(), "disk.img")
	err := image.Create(path, image.Spec{
		SectorSize: sectorSize, SizeMiB: 512, GUID: diskGUID,
		Partitions: []image.Partition{
			{Type: image.TypeESP, Label: "ESP", SizeMiB: 300, FS: "vfat",
				Populate: populateESP},
			{Type: image.TypeLinux, Label: "other", SizeMiB: 16, FS: "ext4"},
			pool,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func populateESP(root string) error {
	dir := filepath.Join(root, "EFI/Linux")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	long := filepath.Join(dir, "a long name+3-1.efi")
	return os.WriteFile(long, bytes.Repeat([]byte("efi"), 1<<20), 0o644)
}

// tool returns what another program says of a device.
func tool(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return string(out), nil
}

// bothSectorSizes runs a test on an image of either.
func bothSectorSizes(t *testing.T, test func(t *testing.T, path string)) {
	for _, size := range []int{512, 4096} {
		t.Run(fmt.Sprint(size), func(t *testing.T) { test(t, create(t, size)) })
	}
}

// attached runs a program on a partition, or on the disk.
func attached(t *testing.T, path string, part int, name string, args ...string) string {
	t.Helper()
	var out string
	err := image.Attach(path, part, true, func(dev string) (err error) {
		out, err = tool(name, append(args, dev)...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestIntegrationTable(t *testing.T) {
	needRoot(t, "sgdisk", "sfdisk")
	bothSectorSizes(t, func(t *testing.T, path string) {
		if out := attached(t, path, 0, "sgdisk", "-v"); !strings.Contains(out, "No problems found") {
			t.Errorf("sgdisk -v: %s", out)
		}
		attached(t, path, 0, "sfdisk", "-V", "-q")
		out := attached(t, path, 0, "sgdisk", "-p", "-i", "3")
		for _, want := range []string{
			diskGUID, strings.ToUpper(partGUID), strings.ToUpper(image.TypeRootX86_64),
			"Attribute flags: 8000000000000000", "Partition name: 'freshroot'",
			"at 317.0 MiB", "(194.0 MiB)",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("sgdisk -p -i 3 lacks %q:\n%s", want, out)
			}
		}
	})
}

func TestIntegrationFileSystems(t *testing.T) {
	needRoot(t, "fsck.vfat", "e2fsck", "btrfs")
	bothSectorSizes(t, func(t *testing.T, path string) {
		if out := attached(t, path, 1, "fsck.vfat", "-nvl"); !strings.Contains(out, "/EFI/Linux/a long name+3-1.efi") {
			t.Errorf("fsck.vfat does not list the file:\n%s", out)
		}
		attached(t, path, 2, "e2fsck", "-fn")
		if out := attached(t, path, 3, "btrfs", "check"); !strings.Contains(out, fsUUID) {
			t.Errorf("btrfs check does not name the UUID:\n%s", out)
		}
	})
}

func TestIntegrationMount(t *testing.T) {
	bothSectorSizes(t, func(t *testing.T, path string) {
		before := sum(t, path)
		var got []byte
		err := image.Mount(path, 3, true, func(root string) (err error) {
			if err := os.WriteFile(filepath.Join(root, "new"), nil, 0o600); err == nil {
				t.Error("a read-only mount can be written to")
			}
			got, err = os.ReadFile(filepath.Join(root, "file"))
			return err
		})
		if err != nil || string(got) != "content" {
			t.Errorf("read back %q (%v), want %q", got, err, "content")
		}
		if sum(t, path) != before {
			t.Error("a read-only mount changed the image")
		}
	})
}

func TestIntegrationMountLeavesNothing(t *testing.T) {
	path := create(t, 512)
	wrong := errors.New("wrong")
	var root string
	err := image.Mount(path, 3, false, func(dir string) error {
		root = dir
		return wrong
	})
	if !errors.Is(err, wrong) {
		t.Errorf("Mount: %v, want the callback's error", err)
	}
	if _, err := os.Stat(root); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the mount point is left: %v", err)
	}
	checkGone(t, path, root)
	for _, part := range []int{-1, 4, 129} {
		if err := image.Mount(path, part, true, nil); err == nil {
			t.Errorf("partition %d was mounted", part)
		}
	}
}

// TestIntegrationBusyMount holds a file open, so that the unmount must fail.
func TestIntegrationBusyMount(t *testing.T) {
	path := create(t, 512)
	var held *os.File
	err := image.Mount(path, 3, true, func(root string) (err error) {
		held, err = os.Open(filepath.Join(root, "file"))
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "unmount") {
		t.Errorf("Mount with a file left open: %v", err)
	}
	held.Close()
	checkGone(t, path, filepath.Dir(held.Name()))
}

func TestIntegrationSubvolumes(t *testing.T) {
	needRoot(t, "setfattr", "getfattr")
	src := t.TempDir()
	path := filepath.Join(t.TempDir(), "disk.img")
	populate := func(top string) error {
		one, two := filepath.Join(top, "usr:one"), filepath.Join(top, "two")
		return errors.Join(
			os.WriteFile(filepath.Join(src, "file"), []byte("x"), 0o600),
			image.Subvolume(one), image.CopyTree(one, src),
			image.Snapshot(two, one), image.SetReadOnly(one, true))
	}
	err := image.Create(path, image.Spec{
		SizeMiB: 128, Partitions: []image.Partition{image.Pool(populate)},
	})
	if err != nil {
		t.Fatal(err)
	}
	err = image.Mount(path, 1, false, func(root string) error {
		list, err := tool("btrfs", "subvolume", "list", "-r", root)
		if !strings.HasSuffix(list, " path usr:one\n") || strings.Contains(list, "two") {
			t.Errorf("read-only subvolumes, want usr:one:\n%s", list)
		}
		got, readErr := os.ReadFile(filepath.Join(root, "two/file"))
		if diff := cmp.Diff("x", string(got)); diff != "" {
			t.Errorf("file in the snapshot (-want +got):\n%s", diff)
		}
		return errors.Join(err, readErr, os.Remove(filepath.Join(root, "two/file")))
	})
	if err != nil {
		t.Error(err)
	}
}

func TestCreateRefuses(t *testing.T) {
	exists := filepath.Join(t.TempDir(), "exists")
	if err := os.WriteFile(exists, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	linux := image.Partition{Type: image.TypeLinux}
	wrong := errors.New("wrong")
	for _, test := range []struct {
		name, path string
		spec       image.Spec
		want       string
	}{
		{"existing file", exists, image.Spec{SizeMiB: 8}, "exists"},
		{"sector size", "", image.Spec{SizeMiB: 8, SectorSize: 1024}, "sectors of 1024 bytes"},
		{"no room", "", image.Spec{SizeMiB: 2, Partitions: []image.Partition{linux}},
			"1 MiB too small"},
		{"two greedy", "", image.Spec{SizeMiB: 9, Partitions: []image.Partition{linux, linux}},
			"1 MiB too small"},
		{"bad type", "", image.Spec{SizeMiB: 8, Partitions: []image.Partition{{Type: "x"}}},
			"GUID"},
		{"bad file system", "", image.Spec{SizeMiB: 8, Partitions: []image.Partition{
			{Type: image.TypeLinux, FS: "minix"}}}, `unknown file system "minix"`},
		{"populate fails", "", image.Spec{SizeMiB: 99, Partitions: []image.Partition{
			{Type: image.TypeESP, FS: "vfat", Populate: func(string) error { return wrong }}}},
			"wrong"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := test.path
			if path == "" {
				path = filepath.Join(t.TempDir(), "disk.img")
			}
			err := image.Create(path, test.spec)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Create: %v, want %q in it", err, test.want)
			}
			if _, err := os.Stat(path); test.path == "" && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the failed image is left: %v", err)
			}
		})
	}
	if got, err := os.ReadFile(exists); err != nil || string(got) != "precious" {
		t.Errorf("the existing file is now %q (%v)", got, err)
	}
}

// sum tells whether an image changed.
func sum(t *testing.T, path string) uint32 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return h.Sum32()
}
