package image_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/image"
	"github.com/freshroot/freshroot/pkg/source"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// espSize is enough for a FAT32 with sectors of either size.
const espSize = 300 << 20

// plan is that of an image of the version.
func plan(t *testing.T, path, version string, edit func(o *image.Options)) image.Plan {
	t.Helper()
	o := image.Options{
		Output: path, ESPSize: espSize, Seed: t.Name() + path, Fill: fillOptions(t, version),
		Boot: image.BootOptions{Style: esp.None},
	}
	if edit != nil {
		edit(&o)
	}
	p, err := image.NewPlan(o)
	must(t, err)
	return p
}

// build makes an image and returns its path.
func build(t *testing.T, edit func(o *image.Options)) string {
	t.Helper()
	return buildOf(t, nil, edit)
}

// buildOf makes one of the good tree with some files changed.
func buildOf(t *testing.T, changes map[string]string, edit func(o *image.Options)) string {
	t.Helper()
	testfs.Root(t)
	path := filepath.Join(t.TempDir(), "disk.img")
	_, err := image.Build(t.Context(), open(t, tree(t, changes)), plan(t, path, "1.0", edit))
	must(t, err)
	return path
}

// TestIntegrationBuild has other people's tools judge an image.
func TestIntegrationBuild(t *testing.T) {
	for _, sectorSize := range []int{512, 4096} {
		t.Run(fmt.Sprint(sectorSize), func(t *testing.T) {
			path := build(t, func(o *image.Options) { o.SectorSize = sectorSize })
			i, err := image.Open(path)
			must(t, err)
			defer i.Close()
			disk := loop(t, path, sectorSize, 0, i.Size)
			boot := loop(t, path, sectorSize, i.ESP.Offset, i.ESP.Size)
			pool := loop(t, path, sectorSize, i.Pool.Offset, i.Pool.Size)
			for _, judge := range []struct{ want, command string }{
				{"No problems found", "sgdisk -v " + disk},
				{"No errors detected", "sfdisk -V " + disk},
				{`attrs="GUID:59,63"`, "sfdisk -d " + disk},
				{"fsck.fat", "fsck.fat -n " + boot}, // the exit status says the rest
				{"found", "btrfs check " + pool},
			} {
				words := strings.Fields(judge.command)
				out := testfs.Run(t, words[0], words[1:]...)
				if !strings.Contains(out, judge.want) {
					t.Errorf("%s: %s", judge.command, out)
				}
			}
		})
	}
}

// loop makes a range of a file a block device. It is util-linux's, not ours.
func loop(t *testing.T, path string, sectorSize int, offset, size int64) string {
	t.Helper()
	out := testfs.Run(t, "losetup", "--show", "-f", "-r", "-b", fmt.Sprint(sectorSize),
		"-o", fmt.Sprint(offset), "--sizelimit", fmt.Sprint(size), path)
	device := strings.TrimSpace(out)
	t.Cleanup(func() { testfs.Run(t, "losetup", "-d", device) })
	return device
}

// testEpoch is older than all files that tests make.
var testEpoch = time.Unix(1700000000, 0)

// TestIntegrationReproducible builds twice, and wants the same table and boot partition,
// and the same files in the pool.
func TestIntegrationReproducible(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	seeded := func(o *image.Options) {
		o.Seed = "seed"
		o.Fill.Factory.Epoch = testEpoch
	}
	one, two := build(t, seeded), build(t, seeded)
	const pool = 1<<20 + espSize
	if !bytes.Equal(begin(t, one, pool), begin(t, two, pool)) {
		t.Error("the table or the boot partition differ")
	}
	if diff := cmp.Diff(listing(t, one), listing(t, two)); diff != "" {
		t.Errorf("the trees (-first +second):\n%s", diff)
	}
	other := build(t, nil)
	if bytes.Equal(begin(t, one, 1<<20), begin(t, other, 1<<20)) {
		t.Error("another seed gave the same table")
	}
}

// begin reads the beginning of a file.
func begin(t *testing.T, path string, size int64) []byte {
	t.Helper()
	raw, err := io.ReadAll(io.LimitReader(testfs.Open(t, path), size))
	must(t, err)
	return raw
}

// listing describes all files of a pool, with times and content.
func listing(t *testing.T, path string) (text string) {
	t.Helper()
	i, err := image.Open(path)
	must(t, err)
	defer i.Close()
	must(t, i.WithPool(func(top *os.File) error {
		text = testfs.Run(t, "tar", "-c", "--sort=name", "--numeric-owner", "--format=gnu",
			"-C", fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), top.Fd()), member)
		return nil
	}))
	return text
}

func TestIntegrationFormats(t *testing.T) {
	for _, format := range []image.Format{image.Qcow2, image.VMDK, image.VHDX} {
		path := build(t, func(o *image.Options) { o.Format = format })
		if out := testfs.Run(t, "qemu-img", "info", path); !strings.Contains(out, "file format: "+string(format)) {
			t.Errorf("%s: %s", format, out)
		}
		want := "qemu-img convert -O raw " + path
		if _, err := image.Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: opened with %v", format, err)
		}
		_, err := image.Add(t.Context(), path, open(t, tree(t, nil)), image.AddOptions{Fill: fillOptions(t, "2")})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: added to with %v", format, err)
		}
	}
}

// TestIntegrationTooSmall has what does not fit, in the source or beside it, and wants to
// know how much is missing.
func TestIntegrationTooSmall(t *testing.T) {
	testfs.Root(t)
	for _, name := range []string{"usr/noise", "initramfs"} {
		from, path := tree(t, nil), filepath.Join(t.TempDir(), "disk.img")
		large := filepath.Join(from, name)
		must(t, os.WriteFile(large, noise(400<<20), 0o600))
		p := plan(t, path, "1.0", func(o *image.Options) {
			o.Size, o.Compress = espSize+260<<20, "none"
			if name == "initramfs" {
				o.Fill.Initramfs = large
			}
		})
		_, err := image.Build(t.Context(), open(t, from), p)
		var space *image.SpaceError
		if !errors.As(err, &space) || space.Missing < 20<<20 || space.Missing > 800<<20 {
			t.Errorf("%s: it failed with %v", name, err)
		}
		if got := names(t, filepath.Dir(path)); got != "" {
			t.Errorf("%s: left: %s", name, got)
		}
	}
}

func TestIntegrationBuildExists(t *testing.T) {
	testfs.Root(t)
	path := filepath.Join(t.TempDir(), "disk.img")
	must(t, os.WriteFile(path, []byte("precious"), 0o600))
	_, err := image.Build(t.Context(), open(t, tree(t, nil)), plan(t, path, "1.0", nil))
	if err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("it failed with %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "precious" {
		t.Errorf("the file has %q (%v)", got, err)
	}
	p := plan(t, path, "1.0", func(o *image.Options) { o.Force = true })
	_, err = image.Build(t.Context(), open(t, tree(t, nil)), p)
	must(t, err)
	i, err := image.Open(path)
	must(t, err)
	i.Close()
}

// helperEnv names an image that the test program builds, instead of running tests, until
// it comes to a step.
const helperEnv = "FRESHROOT_TEST_BUILD"

// TestMain is the program that is killed.
func TestMain(m *testing.M) {
	if words := strings.Split(os.Getenv(helperEnv), "\n"); len(words) == 4 {
		buildUntil(words[0], words[1], words[2], words[3])
		return
	}
	os.Exit(m.Run())
}

// buildUntil builds an image, says so when it comes to the step, and waits there.
func buildUntil(path, from, initramfs, step string) {
	src, err := source.Open(from)
	if err != nil {
		panic(err)
	}
	p, err := image.NewPlan(image.Options{Output: path, ESPSize: espSize, Fill: image.FillOptions{
		Usr:       subvol.Member{Kind: subvol.Usr, Vendor: "org.example.os", Arch: "x86-64", Version: "1"},
		Initramfs: initramfs,
		Progress: func(begun string, _, _ int64) {
			if begun == step {
				fmt.Println("here")
				select {}
			}
		},
	}, Boot: image.BootOptions{Style: esp.None}})
	if err != nil {
		panic(err)
	}
	_, err = image.Build(context.Background(), src, p)
	panic(err)
}

// TestIntegrationKill kills a build in the middle. No part of the image is left, nor a
// loop device or a mount.
func TestIntegrationKill(t *testing.T) {
	testfs.Root(t)
	from, o := tree(t, nil), fillOptions(t, "1.0")
	for _, step := range []string{"unpack", "make member", "trim"} {
		dir := t.TempDir()
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), helperEnv+"="+strings.Join(
			[]string{filepath.Join(dir, "disk.img"), from, o.Initramfs, step}, "\n"))
		out, err := c.StdoutPipe()
		must(t, err)
		must(t, c.Start())
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil || line != "here\n" {
			t.Errorf("%s: it said %q (%v)", step, line, err)
		}
		used := testfs.Run(t, "losetup", "-l", "-n", "-O", "BACK-FILE")
		must(t, c.Process.Kill())
		if err := c.Wait(); err == nil {
			t.Errorf("%s: it was not killed", step)
		}
		if !strings.Contains(used, dir) {
			t.Errorf("%s: there was no loop device for %s:\n%s", step, dir, used)
		}
		if got := names(t, dir); got != "" {
			t.Errorf("%s: left: %s", step, got)
		}
		waitForLoops(t, dir)
	}
}

// waitForLoops waits until no loop device shows a file in a directory. The kernel unmounts
// what a killed process has had behind its back, and others may look at the device.
func waitForLoops(t *testing.T, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for strings.Contains(testfs.Run(t, "losetup", "-l", "-n", "-O", "BACK-FILE"), dir) {
		select {
		case <-ctx.Done():
			t.Fatalf("a loop device for %s is left", dir)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
