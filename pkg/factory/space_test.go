package factory

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/zoo"
)

var noSpace = regexp.MustCompile(`^copy "etc[^"]*"( \([\d.]+ (KiB|bytes)\))?: ` +
	`(create|write|make directory): no space left on device$`)

// A full target ends the copy with an error that tells so, and what did not
// fit. Every file that is there is whole.
func TestIntegrationNoSpace(t *testing.T) {
	need(t)
	src := shared(t)
	m := &zoo.Maker{T: t, Dir: src}
	for i := range 40 {
		m.File(fmt.Sprintf("etc/d%d/some", i), strings.Repeat("x", 3000), 0o644)
		m.File(fmt.Sprintf("etc/d%d/big", i), strings.Repeat("x", 300_000), 0o644)
		m.Symlink("some", fmt.Sprintf("etc/d%d/link", i))
		m.Node(fmt.Sprintf("etc/d%d/fifo", i), unix.S_IFIFO|0o600, 0, 0)
	}
	m.Age()
	want := zoo.WithoutBlocks(zoo.Snapshot(t, src))
	for _, limit := range []string{"size=4m", "size=4k", "nr_inodes=7", "nr_inodes=50"} {
		for _, workers := range []int{1, 2, 8} {
			t.Run(fmt.Sprintf("%s %d", limit, workers), func(t *testing.T) {
				dst := newTmpfs(t, "mode=0755,"+limit)
				before := openFDs(t)
				_, err := copyTree(t, dst, src, Options{Workers: workers})
				if !errors.Is(err, unix.ENOSPC) {
					t.Fatalf("error %v", err)
				}
				if !noSpace.MatchString(err.Error()) {
					t.Errorf("error %q", err)
				}
				onlyWholeFiles(t, want, zoo.WithoutBlocks(zoo.Snapshot(t, dst)))
				if diff := cmp.Diff(before, openFDs(t)); diff != "" {
					t.Errorf("descriptors (-before +after):\n%s", diff)
				}
			})
		}
	}
}

func onlyWholeFiles(t *testing.T, want, got map[string]zoo.Inode) {
	t.Helper()
	for name, n := range got {
		if n.Kind == "directory" && n.Mode == "40700" {
			continue // not complete, and says so
		}
		if diff := cmp.Diff(want[name], n); diff != "" {
			t.Errorf("%s is not whole (-want +got):\n%s", name, diff)
		}
	}
}

// The words of the error, in full.
func TestIntegrationNoSpaceMessage(t *testing.T) {
	need(t)
	src, dst := shared(t), newTmpfs(t, "size=1m")
	writeFile(t, filepath.Join(src, "etc/big"), strings.Repeat("x", 12<<20))
	_, err := copyTree(t, dst, src, Options{})
	want := `copy "etc/big" (12 MiB): write: no space left on device`
	if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	if _, err := os.Lstat(filepath.Join(dst, "etc/big")); !os.IsNotExist(err) {
		t.Errorf("half a file stayed: %v", err)
	}
}

// A name that somebody else took over is not removed with the failed file.
func TestIntegrationDiscardOnlyOurs(t *testing.T) {
	need(t)
	top := shared(t)
	writeFile(t, filepath.Join(top, "file"), "somebody else's")
	fd, err := unix.Open(top, unix.O_TMPFILE|unix.O_WRONLY, 0o600)
	must(t, err)
	defer closeFD(fd)
	at, err := unix.Open(top, dirFlags, 0)
	must(t, err)
	defer closeFD(at)
	l := &leaf{dir: &dir{dst: at}, name: "file"}
	l.discard(handle{fd: fd})
	if _, err := os.Lstat(filepath.Join(top, "file")); err != nil {
		t.Error(err)
	}
}
