package image_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/image"
	"github.com/freshroot/freshroot/pkg/mount"
)

// bootable makes an image with boot loader entries, from a tree that brings what looks
// like systemd-boot.
func bootable(t *testing.T) string {
	t.Helper()
	testfs.Root(t)
	path := filepath.Join(t.TempDir(), "disk.img")
	p := plan(t, path, "1.0", func(o *image.Options) {
		o.Boot.Style, o.ESPSize, o.Size = esp.Entries, 40<<20, 300<<20
	})
	_, err := image.Build(t.Context(), open(t, withLoader(t)), p)
	must(t, err)
	return path
}

func withLoader(t *testing.T) string {
	t.Helper()
	return tree(t, map[string]string{
		"usr/lib/systemd/boot/efi/systemd-bootx64.efi": "MZ #### LoaderInfo: systemd-boot 257 ####",
	})
}

// TestIntegrationAdd puts a second version into an image, which stays whole.
func TestIntegrationAdd(t *testing.T) {
	path := bootable(t)
	before := verify(t, path)
	_, err := image.Add(t.Context(), path, open(t, withLoader(t)), image.AddOptions{
		Fill: fillOptions(t, "1.1"), Boot: image.BootOptions{Cmdline: "quiet"},
	})
	must(t, err)
	if after := verify(t, path); before != "" || after != "" {
		t.Errorf("wrong before: %s\nand after: %s", before, after)
	}
	i, err := image.Open(path)
	must(t, err)
	defer i.Close()
	state, err := i.Boot(t.Context())
	must(t, err)
	var got []string
	for _, e := range state.Entries {
		got = append(got, e.Version+" "+e.Options)
	}
	if text := strings.Join(got, ", "); text != "1.0 , 1.1 quiet" {
		t.Errorf("entries: %s", text)
	}
	// The same version once more changes nothing.
	sum := string(begin(t, path, i.Size))
	_, err = image.Add(t.Context(), path, open(t, withLoader(t)), image.AddOptions{Fill: fillOptions(t, "1.1")})
	if err == nil || string(begin(t, path, i.Size)) != sum {
		t.Errorf("added twice: %v", err)
	}
	if got := names(t, filepath.Dir(path)); got != "disk.img" {
		t.Errorf("left: %s", got)
	}
}

// TestIntegrationAddNone adds to an image that has files for a boot loader which was set up
// by other means, and gets no other one.
func TestIntegrationAddNone(t *testing.T) {
	testfs.Root(t)
	path := filepath.Join(t.TempDir(), "disk.img")
	p := plan(t, path, "1.0", func(o *image.Options) { o.ESPSize, o.Size = 40<<20, 300<<20 })
	_, err := image.Build(t.Context(), open(t, withLoader(t)), p)
	must(t, err)
	_, err = image.Add(t.Context(), path, open(t, withLoader(t)), image.AddOptions{Fill: fillOptions(t, "1.1")})
	must(t, err)
	i, err := image.Open(path)
	must(t, err)
	defer i.Close()
	dir := t.TempDir()
	must(t, esp.ReadFAT(t.Context(), i.File, i.ESP.Offset, dir))
	if got := names(t, dir); got != "freshroot" {
		t.Errorf("it has: %s", got)
	}
	if got := names(t, filepath.Join(dir, "freshroot/org.example.os")); got != "1.0 1.1" {
		t.Errorf("versions: %s", got)
	}
}

// TestIntegrationAddEnlarges has a version that does not fit, until the image is made
// larger.
func TestIntegrationAddEnlarges(t *testing.T) {
	path, from := bootable(t), withLoader(t)
	must(t, os.WriteFile(filepath.Join(from, "usr/noise"), noise(240<<20), 0o600))
	add := func(size int64) error {
		_, err := image.Add(t.Context(), path, open(t, from), image.AddOptions{
			Fill: fillOptions(t, "1.1"), Compress: "none", Size: size,
		})
		return err
	}
	if err := add(200 << 20); err == nil || !strings.Contains(err.Error(), "it has 300 MiB") {
		t.Errorf("smaller: %v", err)
	}
	if err := add(600<<20 + 1); err == nil || !strings.Contains(err.Error(), "sectors") {
		t.Errorf("half a sector: %v", err)
	}
	var space *image.SpaceError
	if err := add(0); !errors.As(err, &space) {
		t.Errorf("as large as it is: %v", err)
	}
	must(t, add(600<<20))
	if wrong := verify(t, path); wrong != "" {
		t.Error(wrong)
	}
	i, err := image.Open(path)
	must(t, err)
	defer i.Close()
	if i.Size != 600<<20 || i.Pool.Size < 550<<20 {
		t.Errorf("the image has %d bytes, the pool %d", i.Size, i.Pool.Size)
	}
	testfs.Run(t, "sgdisk", "-v", path)
}

// noise is what does not compress.
func noise(size int) []byte {
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(i * i >> 7 * i)
	}
	return p
}

// verify returns what is wrong with an image, after the name of the check.
func verify(t *testing.T, path string) string {
	t.Helper()
	i, err := image.Open(path)
	must(t, err)
	defer i.Close()
	checks, err := i.Verify(t.Context(), nil)
	must(t, err)
	if len(checks) != 5 {
		t.Errorf("checked only %v", checks)
	}
	var wrong []string
	for _, c := range checks {
		if c.Wrong != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %s", c.Name, strings.Join(c.Wrong, "; ")))
		}
	}
	return strings.Join(wrong, "\n")
}

// TestIntegrationVerify damages an image in one way after the other. Each is found by the
// check that is for it.
func TestIntegrationVerify(t *testing.T) {
	whole := bootable(t)
	for want, damage := range map[string]func(t *testing.T, f *os.File, i *image.Image){
		"partition table: only the backup can be read": func(t *testing.T, f *os.File, _ *image.Image) {
			flip(t, f, 512+40)
		},
		"partition table: the backup cannot be read": func(t *testing.T, f *os.File, i *image.Image) {
			flip(t, f, i.Size-512+40)
		},
		"boot partition: ": func(t *testing.T, f *os.File, i *image.Image) {
			// The second FAT begins behind the first one, whose size the boot sector has.
			const reserved, sectors = 14, 36
			head := make([]byte, 64)
			_, err := f.ReadAt(head, i.ESP.Offset)
			must(t, err)
			at := int64(head[reserved]) + int64(head[sectors]) + int64(head[sectors+1])<<8
			flip(t, f, i.ESP.Offset+at*512+40)
		},
		"entries: loader/entries/org.example.os-1.0.conf names \"/freshroot/org.example.os/1.0/linux\"": func(t *testing.T, f *os.File, i *image.Image) {
			mtool(t, f, i, "mdel", "freshroot/org.example.os/1.0/linux")
		},
		"pool: ": func(t *testing.T, f *os.File, i *image.Image) {
			damageFile(t, f, i)
		},
		"members: \"usr:org.example.os:x86-64:1.0\"": func(t *testing.T, f *os.File, i *image.Image) {
			change(t, f, i, func(top *os.File) {
				usr, err := os.Open(filepath.Join(fd(top), member))
				must(t, err)
				defer usr.Close()
				must(t, btrfs.SetReadOnly(usr, false))
			})
		},
		"which the pool does not have": func(t *testing.T, f *os.File, i *image.Image) {
			change(t, f, i, func(top *os.File) {
				must(t, os.Rename(filepath.Join(fd(top), member), filepath.Join(fd(top), member+"1")))
			})
		},
	} {
		t.Run(strings.Fields(want)[0], func(t *testing.T) {
			f, i := copyOf(t, whole)
			damage(t, f, i)
			if got := verify(t, f.Name()); !strings.Contains(got, want) || strings.Contains(got, "\n") && strings.HasSuffix(want, ": ") {
				t.Errorf("found %q, want %q", got, want)
			}
		})
	}
}

// TestIntegrationVerifyGoesOn has a file system that cannot be read at all: that is found,
// and the rest of the image is looked at all the same.
func TestIntegrationVerifyGoesOn(t *testing.T) {
	whole := bootable(t)
	for _, test := range []struct {
		name  string
		begin func(i *image.Image) int64
		wrong []string // the checks that find something
	}{
		{"FAT", func(i *image.Image) int64 { return i.ESP.Offset }, []string{"boot partition", "entries"}},
		{"btrfs", func(i *image.Image) int64 { return i.Pool.Offset }, []string{"entries", "pool", "members"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, i := copyOf(t, whole)
			zero(t, f, test.begin(i), 128<<10)
			checks, err := i.Verify(t.Context(), nil)
			must(t, err)
			var wrong []string
			for _, c := range checks {
				if c.Wrong != nil {
					wrong = append(wrong, c.Name)
				}
				for _, line := range c.Wrong {
					if line == "" || strings.Contains(line, "\n") {
						t.Errorf("%s: %q is no line", c.Name, line)
					}
				}
			}
			if diff := cmp.Diff(test.wrong, wrong); diff != "" || len(checks) != 5 {
				t.Errorf("%d checks (-want +got):\n%s", len(checks), diff)
			}
		})
	}
}

// TestIntegrationVerifyStops ends where it is told to, and says so once.
func TestIntegrationVerifyStops(t *testing.T) {
	_, i := copyOf(t, bootable(t))
	ctx, cancel := context.WithCancel(t.Context())
	checks, err := i.Verify(ctx, func(step string, _, _ int64) {
		if step == "pool" {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || err.Error() != "check pool: context canceled" || len(checks) != 3 {
		t.Errorf("stopped: %v after %v", err, checks)
	}
	t.Setenv("PATH", t.TempDir())
	if checks, err := i.Verify(t.Context(), nil); !errors.Is(err, exec.ErrNotFound) || checks != nil {
		t.Errorf("without programs: %v, %v", checks, err)
	}
}

// TestIntegrationOpenCut has images that were copied in part.
func TestIntegrationOpenCut(t *testing.T) {
	f, i := copyOf(t, bootable(t))
	for _, test := range []struct {
		size int64
		want string
	}{
		{i.Pool.Offset + i.Pool.Size - 512, "cut short"},
		{i.Size / 2, "the file is cut short, with 157286400 bytes: partition 2: sectors "},
		{i.ESP.Offset + 1<<20, "partition 1: sectors 2048 to 83967 of 4096; partition 2: "},
		{512, "no GPT"},
	} {
		must(t, f.Truncate(test.size))
		_, err := image.Open(f.Name())
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%d bytes: %v, want %q", test.size, err, test.want)
		}
	}
}

// copyOf copies an image, and opens the copy to be changed and to be looked into.
func copyOf(t *testing.T, path string) (*os.File, *image.Image) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "disk.img")
	testfs.Run(t, "cp", "--sparse=always", path, to)
	f, err := os.OpenFile(to, os.O_RDWR, 0)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	i, err := image.Open(to)
	must(t, err)
	t.Cleanup(func() { i.Close() })
	return f, i
}

// zero overwrites a part of a file.
func zero(t *testing.T, f *os.File, at int64, size int) {
	t.Helper()
	_, err := f.WriteAt(make([]byte, size), at)
	must(t, err)
}

// TestIntegrationVerifyBoot has images of which nothing is damaged, but which do not boot what
// they are for.
func TestIntegrationVerifyBoot(t *testing.T) {
	testfs.Root(t)
	const linux, initrd = "freshroot/org.example.os/1.0/linux", "freshroot/org.example.os/1.0/initrd"
	for style, damages := range map[esp.Style]map[string][]string{
		esp.Entries: {
			"systemd-boot has no entry":   {"mdel", "loader/entries/org.example.os-1.0.conf"},
			"nothing reads the entries: ": {"mdel", "EFI/systemd/systemd-bootx64.efi", "EFI/BOOT/BOOTX64.EFI"},
			linux + " is not that of usr": {"mcopy", "-o", "/proc/version", linux},
		},
		esp.Extlinux: {initrd + " is not there": {"mdel", initrd}, linux + " is not there": {"mdel", linux}},
		esp.Grub:     {linux + " is not there": {"mdel", linux}},
	} {
		whole := filepath.Join(t.TempDir(), "disk.img")
		p := plan(t, whole, "1.0", func(o *image.Options) {
			o.Boot.Style, o.ESPSize, o.Size = style, 40<<20, 300<<20
		})
		_, err := image.Build(t.Context(), open(t, withLoader(t)), p)
		must(t, err)
		if got := verify(t, whole); got != "" {
			t.Errorf("%s: %s", style, got)
		}
		for want, damage := range damages {
			f, i := copyOf(t, whole)
			mtool(t, f, i, damage...)
			if got := verify(t, f.Name()); !strings.HasPrefix(got, "entries: "+want) {
				t.Errorf("%s: %q, want %q", style, got, want)
			}
		}
	}
}

// mtool runs a program of mtools on the boot partition of an image. Relative paths are there.
func mtool(t *testing.T, f *os.File, i *image.Image, args ...string) {
	t.Helper()
	drive := []string{args[0], "-i", fmt.Sprintf("%s@@%d", f.Name(), i.ESP.Offset)}
	for _, arg := range args[1:] {
		if !strings.HasPrefix(arg, "/") && !strings.HasPrefix(arg, "-") {
			arg = "::/" + arg
		}
		drive = append(drive, arg)
	}
	testfs.Run(t, drive[0], drive[1:]...)
}

// flip changes a bit.
func flip(t *testing.T, f *os.File, at int64) {
	t.Helper()
	b := make([]byte, 1)
	_, err := f.ReadAt(b, at)
	must(t, err)
	b[0] ^= 1
	_, err = f.WriteAt(b, at)
	must(t, err)
}

// fd is a path of an open directory.
func fd(dir *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", dir.Fd()) }

// change mounts the pool of an image.
func change(t *testing.T, f *os.File, i *image.Image, do func(top *os.File)) {
	t.Helper()
	loop, err := device.AttachLoop(f, device.Range{
		Offset: i.Pool.Offset, Size: i.Pool.Size, Writable: true,
	})
	must(t, err)
	defer loop.Close()
	top, err := mount.Nowhere("btrfs", loop.Name(), "subvolid=5")
	must(t, err)
	defer top.Close()
	do(top)
}

// damageFile writes a file of known content, and changes it where it is on the disk.
func damageFile(t *testing.T, f *os.File, i *image.Image) {
	t.Helper()
	mark := []byte(strings.Repeat("a mark to be found ", 1000))
	change(t, f, i, func(top *os.File) {
		must(t, os.WriteFile(filepath.Join(fd(top), "file"), mark, 0o600))
	})
	raw, err := os.ReadFile(f.Name())
	must(t, err)
	at := strings.Index(string(raw), string(mark[:100]))
	if at < 0 {
		t.Fatal("the file is not on the disk")
	}
	flip(t, f, int64(at))
}
