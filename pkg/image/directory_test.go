package image_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/internal/trixie"
	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/image"
)

// useNewMkfs has mkfs.btrfs be one that can make subvolumes of directories.
func useNewMkfs(t *testing.T) {
	t.Helper()
	testfs.Root(t)
	t.Setenv("PATH", filepath.Dir(trixie.MkfsBtrfs(t))+":"+os.Getenv("PATH"))
}

// TestIntegrationBuildDirectory wants an image that was made of a directory to have the same
// in it as one that was made with a loop device, and to be as good.
func TestIntegrationBuildDirectory(t *testing.T) {
	useNewMkfs(t)
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	from := tree(t, nil)
	secret := filepath.Join(from, "usr/bin/secret")
	put(t, secret, "#!/bin/sh\n")
	must(t, os.Link(secret, filepath.Join(from, "usr/bin/again")))
	must(t, os.Lchown(secret, 7, 42))
	must(t, os.Chmod(secret, 0o750|os.ModeSetgid))
	testfs.Run(t, "setcap", "cap_net_raw=ep", secret)
	paths := map[string]string{}
	for _, compress := range []string{"zstd", "none"} {
		edit := func(o *image.Options) {
			o.Seed, o.Compress, o.Boot.Style = "seed", compress, esp.Extlinux
			o.Fill.Factory.Epoch = testEpoch
		}
		here, there := filepath.Join(t.TempDir(), "here"), filepath.Join(t.TempDir(), "there")
		_, err := image.Build(t.Context(), open(t, from), plan(t, here, "1.0", edit))
		must(t, err)
		src := open(t, from)
		p := plan(t, there, "1.0", edit)
		must(t, image.CanBuildDirectory(t.Context(), src, p))
		_, err = image.BuildDirectory(t.Context(), src, p)
		must(t, err)
		if diff := cmp.Diff(listing(t, here), listing(t, there)); diff != "" {
			t.Errorf("%s: the trees (-loop +directory):\n%s", compress, diff)
		}
		const pool = 1<<20 + espSize
		if !bytes.Equal(begin(t, here, pool)[1<<20:], begin(t, there, pool)[1<<20:]) {
			t.Errorf("%s: the boot partitions differ", compress)
		}
		paths[compress] = there
	}
	if got := names(t, os.Getenv("TMPDIR")); got != "" {
		t.Errorf("left: %s", got)
	}
	for _, path := range paths {
		checkDirectoryImage(t, path)
	}
}

// checkDirectoryImage wants an image to be right, and what its members should be.
func checkDirectoryImage(t *testing.T, path string) {
	t.Helper()
	i, err := image.Open(path)
	must(t, err)
	defer i.Close()
	checks, err := i.Verify(t.Context(), nil)
	must(t, err)
	for _, c := range checks {
		if len(c.Wrong) > 0 {
			t.Errorf("%s: %s: %q", path, c.Name, c.Wrong)
		}
	}
	must(t, i.WithPool(func(top *os.File) error {
		dir := filepath.Join(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), top.Fd()), member)
		readOnly, err := btrfs.ReadOnly(testfs.Open(t, dir))
		if err != nil || !readOnly {
			t.Errorf("the golden master is not read-only (%v)", err)
		}
		caps := testfs.Run(t, "getcap", filepath.Join(dir, "bin/secret"))
		if !strings.Contains(caps, "cap_net_raw=ep") {
			t.Errorf("capabilities: %q", caps)
		}
		return nil
	}))
}

// TestIntegrationBuildDirectoryTooSmall has what does not fit into the disk that is asked for.
func TestIntegrationBuildDirectoryTooSmall(t *testing.T) {
	useNewMkfs(t)
	from, path := tree(t, nil), filepath.Join(t.TempDir(), "disk.img")
	must(t, os.WriteFile(filepath.Join(from, "usr/noise"), noise(400<<20), 0o600))
	p := plan(t, path, "1.0", func(o *image.Options) { o.Size = espSize + 260<<20 })
	_, err := image.BuildDirectory(t.Context(), open(t, from), p)
	var space *image.SpaceError
	if !errors.As(err, &space) || space.Missing < 20<<20 || space.Missing > 1200<<20 {
		t.Errorf("it failed with %v", err)
	}
	if got := names(t, filepath.Dir(path)); got != "" {
		t.Errorf("left: %s", got)
	}
}

// TestIntegrationBuildDirectoryFull has no room where the directory is.
func TestIntegrationBuildDirectoryFull(t *testing.T) {
	useNewMkfs(t)
	small := t.TempDir()
	testfs.Run(t, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small)
	t.Cleanup(func() { testfs.Run(t, "umount", small) })
	from, path := tree(t, nil), filepath.Join(t.TempDir(), "disk.img")
	must(t, os.WriteFile(filepath.Join(from, "usr/noise"), noise(4<<20), 0o600))
	src, p := open(t, from), plan(t, path, "1.0", nil)
	t.Setenv("TMPDIR", small)
	_, err := image.BuildDirectory(t.Context(), src, p)
	if err == nil || !strings.Contains(err.Error(), "have TMPDIR name a directory with more room") {
		t.Errorf("it failed with %v", err)
	}
	if got := names(t, small) + names(t, filepath.Dir(path)); got != "" {
		t.Errorf("left: %s", got)
	}
}

// TestIntegrationCanBuildDirectory has what cannot be made of a directory.
func TestIntegrationCanBuildDirectory(t *testing.T) {
	from := tree(t, nil)
	squashfs := filepath.Join(t.TempDir(), "squashfs")
	testfs.Run(t, "mksquashfs", from, squashfs, "-quiet", "-no-progress")
	p := plan(t, filepath.Join(t.TempDir(), "disk.img"), "1.0", nil)
	for want, can := range map[string]func() error{
		"--subvol: it has to be of btrfs-progs 6.13 or later": func() error {
			dir := t.TempDir()
			old := "#!/bin/sh\necho -r, --rootdir DIR\n"
			must(t, os.WriteFile(filepath.Join(dir, "mkfs.btrfs"), []byte(old), 0o755))
			t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
			return image.CanBuildDirectory(t.Context(), open(t, from), p)
		},
		"squashfs": func() error { return image.CanBuildDirectory(t.Context(), open(t, squashfs), p) },
		"an instance is made by the kernel": func() error {
			p := p
			p.Fill.Instance = "default"
			return image.CanBuildDirectory(t.Context(), open(t, from), p)
		},
	} {
		if err := can(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
