package esp_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/esp"
)

// makeFAT makes an image with a FAT of a size behind a MiB and before a rest, and returns
// its name.
func makeFAT(t *testing.T, tree string, size, rest int64, sectorSize int) string {
	t.Helper()
	testfs.Tool(t, "mkfs.fat")
	testfs.Tool(t, "mcopy")
	f, err := os.Create(filepath.Join(t.TempDir(), "disk.img"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(1<<20 + size + rest); err != nil {
		t.Fatal(err)
	}
	err = esp.MakeFAT(t.Context(), f, 1<<20, size, sectorSize, tree, 0x12ab34cd, "esp")
	if err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// checkFAT lets fsck.fat look at the FAT of an image.
func checkFAT(t *testing.T, image string, size int64) {
	t.Helper()
	part := filepath.Join(t.TempDir(), "part.img")
	testfs.Run(t, "dd", "if="+image, "of="+part, "conv=sparse",
		"bs=1M", "skip=1", fmt.Sprintf("count=%d", size>>20))
	if err := os.Truncate(part, size); err != nil {
		t.Fatal(err)
	}
	out := testfs.Run(t, "fsck.fat", "-n", part)
	if strings.Contains(strings.ToLower(out), "warning") {
		t.Errorf("fsck.fat: %s", out)
	}
}

// fatTree is a tree with long names, capitals, a file of several clusters and an empty
// one.
func fatTree(t *testing.T) string {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"EFI/BOOT/BOOTX64.EFI":                           strings.Repeat("loader", 30000),
		"loader/loader.conf":                             "timeout 3\n",
		"loader/entries/org.example.os-1.0_7erc1+3.conf": "title A\n",
		"freshroot/org.example.os/1.0/linux":             strings.Repeat("kernel", 300000),
		"empty":                                          "",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestMakeFAT(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	for _, c := range []struct {
		name       string
		size, rest int64
		sectorSize int
	}{
		{"least 512", esp.LeastFAT(512), 1 << 20, 512},
		{"least 4096", esp.LeastFAT(4096), 1 << 20, 4096},
		{"small in a larger image", 40 << 20, 230 << 20, 512},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := fatTree(t)
			image := makeFAT(t, tree, c.size, c.rest, c.sectorSize)
			checkFAT(t, image, c.size)
			again := makeFAT(t, fatTree(t), c.size, c.rest, c.sectorSize)
			testfs.Run(t, "cmp", image, again)
			back := t.TempDir()
			testfs.Run(t, "mcopy", "-s", "-i", image+"@@1M", "::/*", back)
			testfs.Run(t, "diff", "-r", tree, back)
			listing := testfs.Run(t, "mdir", "-i", image+"@@1M", "::")
			for _, want := range []string{"ESP", "12AB-34CD", "2023-11-14"} {
				if !strings.Contains(listing, want) {
					t.Errorf("no %s: %s", want, listing)
				}
			}
			outside := make([]byte, 1<<20)
			for _, at := range []int64{0, 1<<20 + c.size} {
				if _, err := testfs.Open(t, image).ReadAt(outside, at); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(outside, make([]byte, 1<<20)) {
					t.Errorf("something was written at %d", at)
				}
			}
		})
	}
}

func TestMakeFATRefuses(t *testing.T) {
	f := testfs.Open(t, os.DevNull)
	link := t.TempDir()
	if err := os.Symlink("/etc", filepath.Join(link, "link")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		offset, size int64
		sectorSize   int
		want         string
	}{
		{1 << 20, 32 << 20, 512, "at least 33 MiB"},
		{1 << 20, 256 << 20, 4096, "at least 257 MiB"},
		{1000, 64 << 20, 512, "middle of a sector"},
	} {
		err := esp.MakeFAT(t.Context(), f, c.offset, c.size, c.sectorSize, link, 1, "")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v", c, err)
		}
	}
}
