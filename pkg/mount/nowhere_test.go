package mount_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/mount"
)

func TestIntegrationNowhere(t *testing.T) {
	testfs.Root(t)
	tree, image := t.TempDir(), filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(filepath.Join(tree, "file"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	testfs.Run(t, "mksquashfs", tree, image, "-quiet", "-no-progress")
	loop, err := device.AttachLoop(testfs.Open(t, image), device.Range{})
	if err != nil {
		t.Fatal(err)
	}
	defer loop.Close()
	top, err := mount.Nowhere("squashfs", loop.Name(), "ro", "errors=continue")
	if err != nil {
		t.Fatal(err)
	}
	defer top.Close()
	if names, err := top.Readdirnames(-1); err != nil || len(names) != 1 || names[0] != "file" {
		t.Errorf("it holds %q (%v)", names, err)
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(table), " "+loop.Name()+" ") {
		t.Errorf("it is mounted where others see it (%v):\n%s", err, table)
	}
	_, err = mount.Nowhere("btrfs", loop.Name(), "ro")
	if !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "mount btrfs "+loop.Name()) {
		t.Errorf("another file system: %v", err)
	}
	if _, err := mount.Nowhere("nosuchfs", loop.Name()); !errors.Is(err, unix.ENODEV) {
		t.Errorf("a file system that the kernel does not know: %v", err)
	}
}
