package depmod

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/kmod/kerneltest"
)

// The same modules, packed in each of the ways, give the same table and contents.
func TestPackedTree(t *testing.T) {
	kernel, release := kerneltest.Tree(t)
	from := os.DirFS(filepath.Join(kernel, "lib/modules", release))
	whole, err := Open(from)
	if err != nil {
		t.Fatal(err)
	}
	modules, err := whole.Select(packedModules, nil)
	if err != nil {
		t.Fatal(err)
	}
	plain := packTree(t, from, modules, "", "")
	for suffix, tool := range map[string]string{
		".xz": "xz", ".zst": "zstd", ".gz": "gzip",
	} {
		t.Run("ko"+suffix, func(t *testing.T) {
			packed := packTree(t, from, modules, suffix, tool)
			comparePacked(t, plain, packed, suffix)
		})
	}
}

var packedModules = []string{"btrfs", "overlay", "virtio_blk", "virtio_pci", "sd_mod"}

// packTree makes a tree of some modules, packed with a tool and indexed.
func packTree(t *testing.T, from fs.FS, modules []Module, suffix, tool string) *Tree {
	t.Helper()
	root := t.TempDir()
	to := filepath.Join(root, "lib/modules/6.1.0")
	for _, name := range []string{"modules.builtin", "modules.order"} {
		copyFile(t, from, name, to)
	}
	for _, m := range modules {
		copyFile(t, from, m.Path, to)
	}
	depmod := exec.Command(kerneltest.Tool(t, "depmod"), "-b", root, "6.1.0")
	if suffix == ".gz" {
		// The depmod of Debian 12 does not know gzip.
		run(t, depmod)
		renameIndex(t, filepath.Join(to, "modules.dep"), suffix)
	}
	for _, m := range modules {
		packFile(t, filepath.Join(to, m.Path), suffix, tool)
	}
	if suffix != ".gz" {
		run(t, depmod)
	}
	tree, err := Open(os.DirFS(to))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// comparePacked holds a packed tree against the plain one.
func comparePacked(t *testing.T, plain, packed *Tree, suffix string) {
	t.Helper()
	modules, err := plain.Select(packedModules, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := packed.Select(packedModules, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := encode(t, modules, plain.Aliases(modules))
	table := encode(t, got, packed.Aliases(got))
	if diff := cmp.Diff(string(want), string(table)); diff != "" {
		t.Fatalf("table (-plain +packed):\n%s", diff)
	}
	for i, m := range got {
		original, err := fs.ReadFile(plain.fsys, modules[i].Path)
		if err != nil {
			t.Fatal(err)
		}
		data, err := packed.Read(m)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(original, data) || !strings.HasSuffix(m.Path, suffix) {
			t.Errorf("%s is not what was packed", m.Path)
		}
	}
}

// packFile replaces a file by what a tool makes of it.
func packFile(t *testing.T, file, suffix, tool string) {
	t.Helper()
	if tool == "" {
		return
	}
	run(t, exec.Command(kerneltest.Tool(t, tool), "-q", "-1", file))
	if err := os.RemoveAll(file); err != nil { // zstd keeps it
		t.Fatal(err)
	}
	if _, err := os.Stat(file + suffix); err != nil {
		t.Fatal(err)
	}
}

// renameIndex adds a suffix to the modules of modules.dep.
func renameIndex(t *testing.T, name, suffix string) {
	t.Helper()
	dep, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	dep = bytes.ReplaceAll(dep, []byte(".ko"), []byte(".ko"+suffix))
	if err := os.WriteFile(name, dep, 0o644); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from fs.FS, name, to string) {
	t.Helper()
	data, err := fs.ReadFile(from, name)
	if err != nil {
		t.Fatal(err)
	}
	name = filepath.Join(to, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("run %v: %v\n%s", cmd, err, out)
	}
}
