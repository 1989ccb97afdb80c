package btrfs_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/btrfs"
)

func TestIntegrationResize(t *testing.T) {
	dir := testfs.Btrfs(t, 512)
	top := testfs.Open(t, dir)
	for _, size := range []int64{400 << 20, 512 << 20} {
		if err := btrfs.Resize(top, size); err != nil {
			t.Fatal(err)
		}
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			t.Fatal(err)
		}
		if got := int64(st.Blocks) * st.Bsize; got != size {
			t.Errorf("the file system has %d bytes, want %d", got, size)
		}
	}
	if err := btrfs.Resize(top, 1<<40); !errors.Is(err, unix.EFBIG) {
		t.Errorf("beyond the device: %v, want EFBIG", err)
	}
}

// TestIntegrationTrim deletes a file, whose content must be gone from the device then.
func TestIntegrationTrim(t *testing.T) {
	dir := testfs.Btrfs(t, 512)
	top := testfs.Open(t, dir)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, make([]byte, 64<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	sync := func() {
		t.Helper()
		if err := unix.Syncfs(int(top.Fd())); err != nil {
			t.Fatal(err)
		}
	}
	sync()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	sync()
	before := allocated(t, dir)
	if err := btrfs.Trim(top); err != nil {
		t.Fatal(err)
	}
	if after := allocated(t, dir); after > before-64<<20 {
		t.Errorf("the image takes %d bytes, and took %d before", after, before)
	}
}

// allocated is how much the image behind a mounted file system takes.
func allocated(t *testing.T, dir string) int64 {
	t.Helper()
	source := testfs.Run(t, "findmnt", "-n", "-o", "SOURCE", dir)
	file := testfs.Run(t, "losetup", "-n", "-O", "BACK-FILE", source[:len(source)-1])
	var st unix.Stat_t
	if err := unix.Stat(file[:len(file)-1], &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks * 512
}
