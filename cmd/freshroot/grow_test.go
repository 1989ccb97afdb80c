package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/gpt"
)

// TestIntegrationGrow grows the pool of an image, and what it holds is still there.
func TestIntegrationGrow(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		const mib = 1 << 20
		disk := newPool(t, sector, "usr:org.example.os:x86-64:1.0")
		before := checksum(t, disk)
		if out, err := run(t, "grow", "--arch", "x86-64", disk); err != nil || strings.Contains(out, "is now") {
			t.Errorf("nothing to gain: %v\n%s", err, out)
		}
		if err := os.Truncate(disk, 200*mib); err != nil {
			t.Fatal(err)
		}
		if _, err := run(t, "grow", "--arch", "x86-64", disk); err == nil || !strings.Contains(err.Error(), "no btrfs of less than 256 MiB") {
			t.Errorf("too small to grow: %v", err)
		}
		if err := os.Truncate(disk, 400*mib); err != nil {
			t.Fatal(err)
		}
		const would = "file system  158 MiB: would become 398 MiB\n"
		out, err := run(t, "grow", "--arch", "x86-64", "--dry-run", disk)
		if err != nil || !strings.HasSuffix(out, would) {
			t.Errorf("%v\n%s", err, out)
		}
		if err := os.Truncate(disk, 160*mib); err != nil {
			t.Fatal(err)
		}
		if checksum(t, disk) != before {
			t.Error("--dry-run, or what could not be done, has changed the disk")
		}
		if err := os.Truncate(disk, 400*mib); err != nil {
			t.Fatal(err)
		}
		var got growth
		out, err = run(t, "grow", "--arch", "x86-64", "--json", disk)
		if err := errors.Join(err, json.Unmarshal([]byte(out), &got)); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		change := resized{158 * mib, 398 * mib}
		if diff := cmp.Diff(growth{disk + "1", change, change, ""}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		out, err = run(t, "plan", "--arch", "x86-64", disk)
		if err != nil || !strings.Contains(out, "would boot usr:org.example.os:x86-64:1.0") {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

func TestGrowRefuses(t *testing.T) {
	testfs.Root(t)
	zeroes := filepath.Join(t.TempDir(), "zeroes")
	if err := os.WriteFile(zeroes, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		want string
		args []string
	}{
		{"no disk has a GUID partition table", []string{zeroes}},
		{"no such file", []string{zeroes + "0"}},
		{errNotBooted.Error(), nil},
	} {
		if out, err := run(t, append([]string{"grow"}, tc.args...)...); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: %v\n%s", tc.args, err, out)
		}
	}
}

// TestIntegrationGrowFileSystem grows what has no partition around it.
func TestIntegrationGrowFileSystem(t *testing.T) {
	testfs.Root(t)
	disk := filepath.Join(t.TempDir(), "disk.img")
	if err := errors.Join(os.WriteFile(disk, nil, 0o600), os.Truncate(disk, 128<<20)); err != nil {
		t.Fatal(err)
	}
	testfs.Run(t, "mkfs.btrfs", "-q", disk)
	if err := os.Truncate(disk, 300<<20); err != nil {
		t.Fatal(err)
	}
	out, err := run(t, "grow", disk)
	if err != nil || !strings.Contains(out, "file system  128 MiB: is now 300 MiB") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestGrowthText tells why a partition stays as it is.
func TestGrowthText(t *testing.T) {
	var out strings.Builder
	g := growth{"/dev/vda2", resized{300 << 20, 300 << 20}, resized{200 << 20, 300 << 20},
		"/dev/vda: grow partition 2: " + gpt.ErrNoRoom.Error() + ": partition 3 is behind it"}
	g.print(&out, false)
	const want = `pool         /dev/vda2
partition    300 MiB: stays
file system  200 MiB: is now 300 MiB
because      /dev/vda: grow partition 2: no room: partition 3 is behind it
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
