package qemutests_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/pkg/archive"
	"github.com/freshroot/freshroot/qemu-tests/guest"
)

// moduleParts is where the modules are that reach a virtio disk with btrfs.
var moduleParts = []string{
	"modules.order", "modules.builtin", "modules.builtin.modinfo",
	"kernel/arch/x86/crypto", "kernel/crypto", "kernel/lib",
	"kernel/drivers/block", "kernel/drivers/virtio", "kernel/fs/btrfs",
}

// moduleTree copies a part of the kernel's modules, indexes them as those of a release,
// and then lets edit change the files.
func moduleTree(
	t *testing.T, release string, edit func(modules []string) error,
) archive.Kernel {
	t.Helper()
	o, err := initramfsOptions("virtio")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	dir := filepath.Join(root, "lib/modules", release)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// --parents keeps the paths as they are given, so they must be relative.
	args := append([]string{"-a", "--parents", "-t", dir}, moduleParts...)
	copying := exec.Command("cp", args...)
	copying.Dir = o.Kernel.Dir
	run(t, copying)
	var modules []string
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".ko") {
			modules = append(modules, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	run(t, exec.Command("depmod", "-b", root, release))
	if err := edit(modules); err != nil {
		t.Fatal(err)
	}
	return archive.Kernel{Release: release, Dir: dir}
}

func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
}

// TestIntegrationCompressedModules builds from kernels whose modules are compressed, as
// most distributions have them.
func TestIntegrationCompressedModules(t *testing.T) {
	for suffix, compress := range map[string][]string{
		".xz": {"xz", "--check=crc32", "-1"}, ".zst": {"zstd", "-q", "--rm", "-1"},
		".gz": {"gzip", "-1"},
	} {
		t.Run(suffix, func(t *testing.T) {
			t.Parallel()
			m := busyboxMachine(t)
			tree := moduleTree(t, kernel.get(t).Release, func(modules []string) error {
				return exec.Command(compress[0], append(compress[1:], modules...)...).Run()
			})
			// Not every depmod reads all of them.
			index := filepath.Join(tree.Dir, "modules.dep")
			if err := replaceAll(index, ".ko", ".ko"+suffix); err != nil {
				t.Fatal(err)
			}
			m.Initramfs = build(t, "virtio", func(o *archive.Options) { o.Kernel = tree }).Output
			r := m.boot("volatile=yes")
			if len(r.boot.Modules) == 0 || len(r.boot.Warnings) > 0 {
				t.Errorf("modules: %q, warnings: %q", names(r.boot.Modules), r.boot.Warnings)
			}
		})
	}
}

// TestIntegrationOtherKernel boots a kernel that refuses the modules of the initramfs:
// the screen says that this is why there is no disk.
func TestIntegrationOtherKernel(t *testing.T) {
	t.Parallel()
	const other = "6.1.0-0-other"
	m := newMachine(t, disk(t, pool(guest.Pool(master(t, "1.0", nil)))))
	tree := moduleTree(t, other, func(modules []string) error {
		for _, path := range modules {
			// The kernel compares these words with its own.
			if err := replaceAll(path, " SMP preempt ", " smp PREEMPT "); err != nil {
				return err
			}
		}
		return nil
	})
	m.Initramfs = build(t, "virtio", func(o *archive.Options) { o.Kernel = tree }).Output
	release := kernel.get(t).Release
	screen{want: []string{
		"no disk appeared within 2s", "Looked at:",
		fmt.Sprintf("the modules of this initramfs are for kernel %s, %s is running",
			other, release),
		"What to do:",
		"build the initramfs for this kernel: freshroot initramfs build -k " + release,
	}}.check(t, m)
}

// replaceAll changes a text in a file, which must have it.
func replaceAll(path, from, to string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Contains(data, []byte(from)) {
		return fmt.Errorf("%s has no %q", path, from)
	}
	return os.WriteFile(path, bytes.ReplaceAll(data, []byte(from), []byte(to)), 0o644)
}
