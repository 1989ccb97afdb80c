package qemutests_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/vm"
)

// tool is the program of this checkout, built as people build it.
var tool = share(func(ctx context.Context) (string, error) {
	path := filepath.Join(scratch, "freshroot")
	c := exec.CommandContext(ctx, "go", "build", "-o", path, "../cmd/freshroot")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build tool: %w\n%s", err, out)
	}
	return path, nil
})

// imageTool runs "freshroot image".
func imageTool(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(tool.get(t), append([]string{"image"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("image %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// ofDebian are the options that make a version of the Debian guest.
func ofDebian(t *testing.T, version, cmdline string) []string {
	t.Helper()
	tree := debian.get(t)
	return []string{
		"--usr", tree.Dir, "--kernel-from", tree.Kernel.Dir, "--source", "..",
		"--vendor", "org.debian.bookworm", "--version", version,
		"--cmdline", "console=ttyS0 panic=1 " + cmdline,
	}
}

// TestIntegrationImage builds an image of a Debian and boots it as a machine of today
// does: by its firmware, with nothing but the disk. Then the image gets a second version,
// which systemd-boot tries, and which blesses itself.
func TestIntegrationImage(t *testing.T) {
	t.Parallel()
	const debianUsr = "usr:org.debian.bookworm:x86-64:"
	path := filepath.Join(t.TempDir(), "disk.img")
	imageTool(t, append([]string{"build", "-o", path}, ofDebian(t, "12.0", "volatile=yes")...)...)
	m := firmwareOnly(t)
	m.Disks = append(m.Disks, vm.Disk{Path: path})

	r := m.boot("")
	checkSystemd(t, r)
	got := []any{r.boot.Usr, r.boot.Mode, r.boot.Pool.PartLabel}
	if diff := cmp.Diff([]any{debianUsr + "12.0", "yes", "freshroot"}, got); diff != "" {
		t.Errorf("boot.json (-want +got):\n%s", diff)
	}

	imageTool(t, append([]string{"add", path}, ofDebian(t, "12.1", "volatile=no")...)...)
	r = m.boot("")
	checkSystemd(t, r)
	got = []any{r.boot.Usr, r.boot.Mode, r.boot.CountedBy}
	if diff := cmp.Diff([]any{debianUsr + "12.1+3", "no", "boot loader"}, got); diff != "" {
		t.Errorf("boot.json of the new version (-want +got):\n%s", diff)
	}
	out := imageTool(t, "inspect", path)
	for _, want := range []string{
		"loader/entries/org.debian.bookworm-12.0.conf", "loader/entries/org.debian.bookworm-12.1.conf",
		debianUsr + "12.1  good",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the blessed image lacks %q:\n%s", want, out)
		}
	}
	if out := imageTool(t, "verify", path); strings.Contains(out, "wrong") {
		t.Errorf("image verify:\n%s", out)
	}
}
