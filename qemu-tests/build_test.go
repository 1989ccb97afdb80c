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

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/vm"
	"github.com/freshroot/freshroot/qemu-tests/guest"
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
// which systemd-boot tries, and which blesses itself. Systemd finds the EFI system
// partition by itself in both, and leaves the pool alone.
func TestIntegrationImage(t *testing.T) {
	t.Parallel()
	const debianUsr = "usr:org.debian.bookworm:x86-64:"
	path := filepath.Join(t.TempDir(), "disk.img")
	options := func(mode string) string { return "volatile=" + mode + " " + guest.RunArg(autoMounts) }
	imageTool(t, append([]string{"build", "-o", path}, ofDebian(t, "12.0", options("yes"))...)...)
	m := firmwareOnly(t)
	m.Disks = append(m.Disks, vm.Disk{Path: path})

	r := m.boot("")
	checkSystemd(t, r)
	checkAutoMounts(t, r)
	got := []any{r.boot.Usr, r.boot.Mode, r.boot.Pool.PartLabel}
	if diff := cmp.Diff([]any{debianUsr + "12.0", "yes", "freshroot"}, got); diff != "" {
		t.Errorf("boot.json (-want +got):\n%s", diff)
	}

	imageTool(t, append([]string{"add", path}, ofDebian(t, "12.1", options("no"))...)...)
	r = m.boot("")
	checkSystemd(t, r)
	checkAutoMounts(t, r)
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
	checkDissect(t, path)
}

// checkDissect has systemd-dissect say that it finds no root for systemd, and nothing else.
func checkDissect(t *testing.T, path string) {
	t.Helper()
	cmd := exec.Command(testfs.Tool(t, "systemd-dissect"), path)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	_ = cmd.Run() // for want of a root it fails
	if diff := cmp.Diff("No root partition discovered.\n", complaint.String()); diff != "" {
		t.Errorf("systemd-dissect (-want +got):\n%s", diff)
	}
}

// autoMounts shows what systemd-gpt-auto-generator has made mounts of at boot.
const autoMounts = "cd /run/systemd/generator.late && grep -H ^What= ./*.mount"

// checkAutoMounts wants none of the pool's partition: just that of the loader, and that
// of the root, which is mounted.
func checkAutoMounts(t *testing.T, r *report) {
	t.Helper()
	const want = "./-.mount:What=/dev/gpt-auto-root\n./boot.mount:What=/dev/vda1\n"
	if diff := cmp.Diff(want, r.RunOutput); diff != "" {
		t.Errorf("mounts that systemd has made (-want +got):\n%s", diff)
	}
	checkTop(t, r)
}
