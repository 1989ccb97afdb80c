package btrfs_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/btrfs"
)

// TestIntegrationSpace compares with what the btrfs tool says.
func TestIntegrationSpace(t *testing.T) {
	top := testfs.Btrfs(t, 256)
	file := filepath.Join(top, "file")
	if err := os.WriteFile(file, bytes.Repeat([]byte("x"), 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	testfs.Run(t, "btrfs", "filesystem", "sync", top)
	data, metadata, err := btrfs.Space(testfs.Open(t, top))
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]btrfs.Usage{}
	out := testfs.Run(t, "btrfs", "filesystem", "df", "-b", top)
	for line := range strings.Lines(out) {
		var u btrfs.Usage
		kind, numbers, _ := strings.Cut(line, ", ")
		if _, rest, ok := strings.Cut(numbers, ": "); ok && scan(rest, &u) {
			said[kind] = u
		}
	}
	if data != said["Data"] || metadata != said["Metadata"] || data.Used < 4<<20 {
		t.Errorf("data %+v, metadata %+v; btrfs says\n%s", data, metadata, out)
	}
}

func TestSpaceElsewhere(t *testing.T) {
	if _, _, err := btrfs.Space(testfs.Open(t, "/proc")); err == nil {
		t.Error("/proc is a btrfs?")
	}
}

// scan reads "total=8388608, used=4194304".
func scan(text string, u *btrfs.Usage) bool {
	n, _ := fmt.Sscanf(text, "total=%d, used=%d", &u.Total, &u.Used)
	return n == 2
}
