package archive_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/archive"
)

// TestProgram runs a program with nothing but what is said to be needed.
func TestProgram(t *testing.T) {
	testfs.Root(t)
	add, err := archive.Program("mkfs.btrfs")
	if errors.Is(err, exec.ErrNotFound) {
		testfs.Tool(t, "mkfs.btrfs")
	} else if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, a := range add {
		to := filepath.Join(root, a.Path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		testfs.Run(t, "cp", "--dereference", a.Host, to)
	}
	out := testfs.Run(t, "chroot", root, "/bin/mkfs.btrfs", "--version")
	if !strings.HasPrefix(out, "mkfs.btrfs") {
		t.Errorf("it says %q", out)
	}
}

func TestProgramStatic(t *testing.T) {
	busybox := testfs.Tool(t, "busybox")
	if out, err := exec.Command("ldd", busybox).CombinedOutput(); err == nil {
		t.Skipf("%s is not static: %s", busybox, out)
	}
	got, err := archive.Program("busybox")
	want := []archive.Addition{{Host: busybox, Path: "bin/busybox"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
