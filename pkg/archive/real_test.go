package archive

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/kmod"
	"github.com/freshroot/freshroot/pkg/kmod/depmod"
	"github.com/freshroot/freshroot/pkg/kmod/kerneltest"
)

// The default set of a real kernel, read back by the tools that everybody has.
func TestBuildForRealKernel(t *testing.T) {
	root, release := kerneltest.Tree(t)
	kernel, err := FindKernel(root, release, "")
	if err != nil {
		t.Fatal(err)
	}
	modules, err := ParseModules("default")
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out.zst")
	_, result := build(t, Options{Output: out, Init: script(t), Kernel: kernel,
		Modules: modules})
	t.Logf("%+v", result)
	f, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	contents, err := Inspect(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"btrfs", "overlay", "nvme", "ahci", "virtio_blk",
		"virtio_scsi", "sd_mod", "usb_storage", "uas", "xhci_pci", "sdhci_pci"} {
		if !slices.Contains(contents.Modules, name) {
			t.Errorf("the default set has no %s", name)
		}
	}
	var want []string
	for _, file := range contents.Files {
		want = append(want, file.Name)
	}
	pipe := kerneltest.Tool(t, "zstd") + " -dc " + out + " | " +
		kerneltest.Tool(t, "cpio") + " --quiet -t"
	listed, err := exec.Command("sh", "-c", pipe).Output()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, strings.Fields(string(listed))); diff != "" {
		t.Errorf("files (-ours +cpio):\n%s", diff)
	}
}

// All that a module in the archive needs is in the archive too.
func TestTableIsComplete(t *testing.T) {
	root, release := kerneltest.Tree(t)
	kernel, err := FindKernel(root, release, "")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := depmod.Open(os.DirFS(kernel.Dir))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := tree.Select([]string{"kernel/*"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string][]kmod.Prerequisite{}
	for _, m := range whole {
		names[m.Name] = m.Before
	}
	for _, set := range []string{"default", "virtio"} {
		modules, err := ParseModules(set)
		if err != nil {
			t.Fatal(err)
		}
		data, _ := build(t, Options{Init: script(t), Kernel: kernel, Modules: modules,
			Compression: None})
		table, err := kmod.ParseTable(fileOf(t, data, TableFile))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range table.Names() {
			order := table.Order(name)
			for _, p := range names[name] {
				if !slices.Contains(order, p.Name) {
					t.Errorf("%s: %s is loaded without %s", set, name, p.Name)
				}
			}
			fileOf(t, data, ModulesDir+"/"+name+".ko")
		}
	}
}
