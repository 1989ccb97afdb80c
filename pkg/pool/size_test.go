package pool_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/pool"
)

// duSays asks the btrfs tool for the numbers of [pool.Size].
func duSays(t *testing.T, path string) (s pool.Size) {
	t.Helper()
	out := testfs.Run(t, "btrfs", "filesystem", "du", "--raw", "-s", path)
	var exclusive uint64
	_, numbers, _ := strings.Cut(out, "\n")
	if _, err := fmt.Sscan(numbers, &s.Total, &exclusive); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	s.Shared = s.Total - exclusive
	return s
}

// sparse writes every other block of a file, so that it has more extents than one
// question to the kernel gets answers for.
func sparse(path string, extents int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for i := range extents {
		if _, err := f.WriteAt(make([]byte, 4096), 8192*i); err != nil {
			return err
		}
	}
	return f.Close()
}

// TestIntegrationMeasure compares members that share in every way with what the btrfs
// tool says of them.
func TestIntegrationMeasure(t *testing.T) {
	top := testfs.Btrfs(t, 256)
	in := func(path string) string { return filepath.Join(top, path) }
	write := func(path string, size int) error {
		return errors.Join(os.MkdirAll(filepath.Dir(in(path)), 0o755),
			os.WriteFile(in(path), []byte(strings.Repeat("x", size)), 0o644))
	}
	btrfs := func(args ...string) { testfs.Run(t, "btrfs", append([]string{"-q", "subvolume"}, args...)...) }
	btrfs("create", in("1"))
	err := errors.Join(write("1/lib/large", 3<<20), write("1/lib/gone", 1<<20), write("1/inline", 100),
		write("1/empty", 0), write("1/odd\n", 5000), sparse(in("1/sparse"), 200),
		os.Link(in("1/lib/large"), in("1/linked")), os.Symlink("lib", in("1/link")),
		unix.Mkfifo(in("1/fifo"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	btrfs("snapshot", in("1"), in("2"))
	btrfs("create", in("2/nested"))
	if err := errors.Join(os.Remove(in("2/lib/gone")), write("2/nested/own", 2<<20)); err != nil {
		t.Fatal(err)
	}
	btrfs("create", in("3"))
	testfs.Run(t, "cp", "--reflink=always", in("1/lib/gone"), in("3/borrowed"))
	btrfs("create", in("empty"))
	testfs.Run(t, "btrfs", "filesystem", "sync", top)
	for _, entry := range []string{"1", "2", "3", "empty"} {
		counted, last := 0, uint64(0)
		got, err := pool.Measure(testfs.Open(t, top), entry, func(bytes uint64) { counted, last = counted+1, bytes })
		if diff := cmp.Diff(duSays(t, in(entry)), got); diff != "" || err != nil {
			t.Errorf("%s: error %v (-btrfs +got):\n%s", entry, err, diff)
		}
		if last != got.Total {
			t.Errorf("%s: at the end there were %d bytes, and there are %d", entry, last, got.Total)
		}
		if want := map[string]int{"1": 6, "2": 6, "3": 1}[entry]; counted != want {
			t.Errorf("%s: %d files were counted, want %d", entry, counted, want)
		}
	}
}

func TestIntegrationMeasureRefuses(t *testing.T) {
	top := testfs.Btrfs(t, 128)
	if err := os.Symlink("/etc", filepath.Join(top, "link")); err != nil {
		t.Fatal(err)
	}
	for entry, want := range map[string]error{"link": unix.ELOOP, "absent": unix.ENOENT} {
		if _, err := pool.Measure(testfs.Open(t, top), entry, func(uint64) {}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", entry, err, want)
		}
	}
}
