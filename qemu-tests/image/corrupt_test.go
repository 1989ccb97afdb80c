package image_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/freshroot/freshroot/qemu-tests/image"
	"github.com/google/go-cmp/cmp"
)

// TestCorrupt reads damaged tables with a reader that recovers where it can. None
// of it needs root, as no partition has a file system.
func TestCorrupt(t *testing.T) {
	truncate := func(path string) error { return image.Truncate(path, 6) }
	for _, test := range []struct {
		name   string
		damage func(path string) error
		want   string
	}{
		{"none", func(string) error { return nil }, "good"},
		{"primary", image.CorruptPrimary, "recovered"},
		{"entries", image.CorruptEntries, "recovered"},
		{"backup", image.CorruptBackup, "good"},
		{"both", image.CorruptHeaders, "lost"},
		{"truncated", truncate, "good"},
		{"truncated, entries", func(path string) error {
			if err := truncate(path); err != nil {
				return err
			}
			return image.CorruptEntries(path)
		}, "lost"},
	} {
		for _, size := range []int{512, 4096} {
			t.Run(fmt.Sprint(test.name, size), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "disk.img")
				err := image.Create(path, image.Spec{
					SectorSize: size, SizeMiB: 8,
					Partitions: []image.Partition{{Type: image.TypeLinux, Label: "x"}},
				})
				if err != nil {
					t.Fatal(err)
				}
				if err := test.damage(path); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, read(t, path, size)); diff != "" {
					t.Errorf("table (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// read says how well go-diskfs can read the table.
func read(t *testing.T, path string, sectorSize int) string {
	t.Helper()
	f, err := file.OpenFromPath(path, true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := gpt.Read(f, sectorSize, sectorSize)
	switch {
	case err != nil:
		return "lost"
	case table.RecoveredFromBackup:
		return "recovered"
	}
	return "good"
}

func TestCorruptRefuses(t *testing.T) {
	if err := image.CorruptPrimary(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing image was damaged")
	}
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := image.Create(path, image.Spec{SizeMiB: 8}); err != nil {
		t.Fatal(err)
	}
	if err := image.CorruptHeaders(path); err != nil {
		t.Fatal(err)
	}
	// Without headers the sector size is not known any more.
	if err := image.CorruptPrimary(path); err == nil {
		t.Error("an image without headers was damaged")
	}
}
