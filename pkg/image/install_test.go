package image_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/pkg/image"
)

// newDisk makes a disk of a file, opened exclusively. Both are there until the test ends.
func newDisk(t *testing.T, sector int) (file string, disk *os.File) {
	t.Helper()
	return newDiskIn(t, t.TempDir(), sector)
}

// newDiskIn has the file in a directory.
func newDiskIn(t *testing.T, dir string, sector int) (file string, disk *os.File) {
	t.Helper()
	testfs.Root(t)
	file = filepath.Join(dir, "disk")
	must(t, errors.Join(os.WriteFile(file, nil, 0o600), os.Truncate(file, 640<<20)))
	loop := strings.TrimSpace(testfs.Run(t, "losetup", "-f", "--show", "-b", strconv.Itoa(sector), file))
	t.Cleanup(func() { testfs.Run(t, "losetup", "-d", loop) })
	disk, err := device.OpenExclusive(loop)
	must(t, err)
	t.Cleanup(func() { disk.Close() })
	return file, disk
}

// install looks at a disk and installs to it.
func install(ctx context.Context, t *testing.T, disk *os.File, with image.Content, edit func(o *image.Options)) error {
	t.Helper()
	contents, err := device.Look(disk)
	must(t, err)
	p := plan(t, disk.Name(), "1.0", func(o *image.Options) {
		o.Size, o.SectorSize = contents.Size, contents.SectorSize
		o.Seed = "" // mkfs refuses a UUID that anybody has still in view
		if edit != nil {
			edit(o)
		}
	})
	_, err = image.Install(ctx, disk, contents, with, p)
	return err
}

// golden makes a golden master and opens it.
func golden(t *testing.T) *os.File {
	t.Helper()
	dir, top := newPool(t)
	filled, err := image.Fill(t.Context(), top, open(t, tree(t, nil)), fillOptions(t, "1.0"))
	must(t, err)
	return testfs.Open(t, filepath.Join(dir, filled.Usr))
}

// TestIntegrationInstallCopy copies a golden master to a disk. What is there has to be the
// same, and what others' programs find good.
func TestIntegrationInstallCopy(t *testing.T) {
	usr := golden(t)
	for _, sector := range []int{512, 4096} {
		file, disk := newDisk(t, sector)
		o := fillOptions(t, "1.0")
		o.Instance = "default"
		with, err := image.Copied(usr, o, image.BootOptions{Style: esp.None})
		must(t, err)
		must(t, install(t.Context(), t, disk, with, nil))
		i, err := image.Open(file)
		must(t, err)
		defer i.Close()
		checks, err := i.Verify(t.Context(), nil)
		must(t, err)
		for _, c := range checks {
			if len(c.Wrong) > 0 {
				t.Errorf("%s: %q", c.Name, c.Wrong)
			}
		}
		must(t, i.WithPool(func(top *os.File) error {
			path := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), top.Fd())
			const member = "usr:org.example.os:x86-64:1.0"
			testfs.Run(t, "diff", "-r", "--no-dereference", usr.Name(), path+"/"+member)
			if got := names(t, path); got != ".freshroot root:default:org.example.os:x86-64 "+member {
				t.Errorf("the pool has %s", got)
			}
			was, err := usr.Stat()
			must(t, err)
			is, err := os.Stat(path + "/" + member)
			if err != nil || !is.ModTime().Equal(was.ModTime()) || is.Mode() != was.Mode() {
				t.Errorf("the copy is %v, %v, of %v", is, err, was)
			}
			return nil
		}))
	}
}

// TestIntegrationInstallInterrupted stops it at the beginning of each step, on a disk that
// booted something before. It must leave neither a table nor a loop device.
func TestIntegrationInstallInterrupted(t *testing.T) {
	_, disk := newDisk(t, 512)
	src := open(t, tree(t, nil))
	var steps []string
	try := func(stop string) error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		fill := fillOptions(t, "1.0")
		fill.Progress = func(step string, _, _ int64) {
			if !slices.Contains(steps, step) {
				steps = append(steps, step)
			}
			if step == stop {
				cancel()
			}
		}
		return install(ctx, t, disk, image.Unpacked(src, fill), func(o *image.Options) { o.Fill = fill })
	}
	must(t, try(""))
	if d := device.ReadDisk(disk.Name()); d.Err != nil || len(steps) < 10 {
		t.Fatalf("the steps were %q, the disk is %+v", steps, d)
	}
	for _, step := range steps {
		if err := try(step); !errors.Is(err, context.Canceled) {
			t.Errorf("stopped at %q: %v", step, err)
		}
		if d := device.ReadDisk(disk.Name()); !errors.Is(d.Err, gpt.ErrNoTable) {
			t.Errorf("stopped at %q: the disk is %+v", step, d)
		}
		if left := testfs.Run(t, "losetup", "-n", "-O", "NAME", "-j", disk.Name()); left != "" {
			t.Errorf("stopped at %q: left: %s", step, left)
		}
	}
}

// TestIntegrationInstallDiskFails lets a disk fail at the beginning of a step. It may not have
// a partition table then, also if the first of its two could be written.
func TestIntegrationInstallDiskFails(t *testing.T) {
	src := open(t, tree(t, nil))
	// The file of a disk that is gone has nothing and takes nothing.
	gone := func(file string) error { return os.Truncate(file, 0) }
	// That of one that takes nothing in some place has the rest of what was written.
	worn := func(at, size int64) func(file string) error {
		return func(file string) error {
			f, err := os.OpenFile(file, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			const hole = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
			return unix.Fallocate(int(f.Fd()), hole, at, size)
		}
	}
	// With such sectors, the parts of a table are in blocks of their own: a loop device tells
	// nobody of what it could write the beginning of.
	const sector = 4096
	const broken, table = "input/output error", "write partition table"
	for _, tc := range []struct {
		step, want string
		fail       func(file string) error
	}{
		{"wipe", broken, gone}, {"unpack", broken, gone}, {"make boot partition", broken, gone},
		{"verify pool", "reads as something else: error", gone}, {table, broken, gone},
		{table, broken, worn(8<<10, 16<<10)}, // behind the header of the first, which is written last
		{table, broken, worn(639<<20, 1<<20)},
	} {
		dir := testfs.Tmpfs(t, "size=100m")
		file, disk := newDiskIn(t, dir, sector)
		failed := false
		fill := fillOptions(t, "1.0")
		fill.Progress = func(step string, _, _ int64) {
			if step == tc.step && !failed {
				failed = true
				must(t, errors.Join(tc.fail(file), occupy(filepath.Join(dir, "rest"))))
			}
		}
		err := install(t.Context(), t, disk, image.Unpacked(src, fill), func(o *image.Options) { o.Fill = fill })
		if !failed || err == nil || !strings.Contains(strings.ToLower(err.Error()), tc.want) {
			t.Errorf("%s: %v, %v", tc.step, failed, err)
		}
		must(t, os.Remove(filepath.Join(dir, "rest")))
		f := testfs.Open(t, file)
		info, err := f.Stat()
		must(t, err)
		if table, err := gpt.Read(f, info.Size(), sector); err == nil {
			t.Errorf("%s: the disk has %+v", tc.step, table)
		}
		if left := testfs.Run(t, "losetup", "-n", "-O", "NAME", "-j", disk.Name()); left != "" {
			t.Errorf("%s: left: %s", tc.step, left)
		}
	}
}

// TestIntegrationInstallForeign installs an OS for another architecture, whose boot loader is
// looked for when it is verified.
func TestIntegrationInstallForeign(t *testing.T) {
	_, disk := newDisk(t, 512)
	src := open(t, tree(t, map[string]string{
		"usr/bin/true": "#!/bin/sh\n",
		"usr/lib/systemd/boot/efi/systemd-bootaa64.efi": "MZ #### LoaderInfo: systemd-boot 257 ####",
	}))
	fill := fillOptions(t, "1.0")
	fill.Usr.Arch = "arm64"
	must(t, install(t.Context(), t, disk, image.Unpacked(src, fill), func(o *image.Options) {
		o.Fill, o.Boot.Style = fill, esp.Entries
	}))
}

// occupy takes all the room that there is in the file system of a new file.
func occupy(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, err = f.Write(make([]byte, 1<<20)); err == nil; _, err = f.Write(make([]byte, 1<<20)) {
	}
	if errors.Is(err, unix.ENOSPC) {
		return nil
	}
	return err
}

func TestIntegrationCopiedRefuses(t *testing.T) {
	dir, _ := newPool(t)
	member := func(name string, files map[string]string) string {
		path := filepath.Join(dir, name)
		testfs.Run(t, "btrfs", "-q", "subvolume", "create", path)
		for name, content := range files {
			put(t, filepath.Join(path, name), content)
		}
		return path
	}
	modules := "lib/modules/" + release
	whole := map[string]string{modules + "/modules.dep": "x", modules + "/vmlinuz": "x", modules + "/initramfs.img": "x"}
	writable, bare, good := member("writable", whole), member("bare", nil), member("good", whole)
	for _, path := range []string{bare, good} {
		testfs.Run(t, "btrfs", "property", "set", path, "ro", "true")
	}
	for _, tc := range []struct{ path, arch, want string }{
		{t.TempDir(), "x86-64", "no read-only subvolume"},
		{writable, "x86-64", "no read-only subvolume"},
		{bare, "x86-64", "it has no lib/modules/*/initramfs.img"},
		{good, "riscv64", "it has no systemd-boot"}, // nor has this machine, for another one
	} {
		o := fillOptions(t, "1.0")
		o.Usr.Arch = tc.arch
		_, err := image.Copied(testfs.Open(t, tc.path), o, image.BootOptions{Style: esp.Entries})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.path, err, tc.want)
		}
	}
}
