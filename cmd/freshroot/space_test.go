package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
)

func TestSpaceWarnings(t *testing.T) {
	for _, c := range []struct {
		space poolSpace
		want  []string
	}{
		{poolSpace{Size: 100 << 20, Free: 50 << 20}, nil},
		{poolSpace{}, nil},
		{poolSpace{Size: 100 << 20, Free: 5 << 20}, []string{"the pool is 95 % full: 5.0 MiB are free"}},
		{poolSpace{Size: 1000 << 20, Free: 110 << 20, MetadataTotal: 200 << 20, MetadataUsed: 190 << 20}, []string{
			"the metadata of the pool is 95 % full: btrfs balance start -dusage=10 may make room"}},
		{poolSpace{Size: 1000 << 20, Free: 500 << 20, MetadataTotal: 200 << 20, MetadataUsed: 190 << 20}, nil},
	} {
		if diff := cmp.Diff(c.want, c.space.warnings()); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.space, diff)
		}
	}
}

// TestIntegrationTmpfsWarnings fills a tmpfs.
func TestIntegrationTmpfsWarnings(t *testing.T) {
	dir := testfs.Tmpfs(t, "size=1m,nr_inodes=100")
	look := func() []string {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			t.Fatal(err)
		}
		return tmpfsWarnings("/", st)
	}
	if got := look(); got != nil {
		t.Errorf("empty: %q", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "x"), make([]byte, 1000<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []string{"/ is in RAM and 97 % full: allow more with freshroot.tmpfs="}
	if diff := cmp.Diff(want, look()); diff != "" {
		t.Errorf("full (-want +got):\n%s", diff)
	}
}

func TestIntegrationMeasurePool(t *testing.T) {
	got, err := measurePool(testfs.Btrfs(t, 256))
	if err != nil || got.Size == 0 || got.Free == 0 || got.MetadataTotal < got.MetadataUsed || got.MetadataUsed == 0 {
		t.Errorf("got %+v, error %v", got, err)
	}
}
