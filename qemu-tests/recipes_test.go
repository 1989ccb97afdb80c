package qemutests_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/directboot"
	"github.com/freshroot/freshroot/pkg/vm"
	"github.com/google/go-cmp/cmp"
)

// recipe runs the commands of a page in a directory, as somebody would who follows it, and
// returns what they print.
func recipe(t *testing.T, page, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../docs/recipes", page))
	if err != nil {
		t.Fatal(err)
	}
	commands := codeBlocks(string(text))
	if commands == "" {
		t.Fatalf("%s has no commands", page)
	}
	checkout, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", commands)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CHECKOUT="+checkout,
		"PATH="+filepath.Dir(tool.get(t))+":"+os.Getenv("PATH"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s\n%s", page, err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// codeBlocks returns what is in the blocks of a page that are for a shell.
func codeBlocks(page string) (commands string) {
	inside := false
	for line := range strings.Lines(page) {
		switch {
		case strings.HasPrefix(line, "```sh"):
			inside = true
		case strings.HasPrefix(line, "```"):
			inside = false
		case inside:
			commands += line
		}
	}
	return commands
}

// says wants texts in what a recipe prints.
func says(t *testing.T, out string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(out, want) {
			t.Errorf("lacks %q:\n%s", want, out)
		}
	}
}

// TestIntegrationRecipeDebian follows the recipe of a Debian, and that of CI with its image.
func TestIntegrationRecipeDebian(t *testing.T) {
	t.Parallel()
	needRoot(t)
	testfs.Tool(t, "mmdebstrap")
	dir := t.TempDir()
	says(t, recipe(t, "debian.md", dir),
		"would boot usr:org.example.debian:x86-64:1.0", "\nrunning\n")
	says(t, recipe(t, "ci.md", dir), "Debian GNU/Linux 12 (bookworm)", `<testsuite name="boot"`)
}

// TestIntegrationRecipeOCI has an image with the usr of the Debian guest.
func TestIntegrationRecipeOCI(t *testing.T) {
	t.Parallel()
	needRoot(t)
	tree, dir := debian.get(t), t.TempDir()
	layout := filepath.Join(dir, "os")
	testfs.Run(t, "umoci", "init", "--layout", layout)
	testfs.Run(t, "umoci", "new", "--image", layout+":1.0")
	layer := filepath.Join(t.TempDir(), "layer.tar")
	testfs.Run(t, "tar", "--xattrs", "-C", tree.Dir, "-cf", layer, "usr")
	testfs.Run(t, "umoci", "raw", "add-layer", "--image", layout+":1.0", layer)
	if err := os.Symlink(tree.Kernel.Dir, filepath.Join(dir, "kernel")); err != nil {
		t.Fatal(err)
	}
	says(t, recipe(t, "oci.md", dir), "would boot usr:org.example.os:x86-64:1.0")
	r := bootImage(t, filepath.Join(dir, "os.img"))
	checkSystemd(t, r)
	if diff := cmp.Diff("usr:org.example.os:x86-64:1.0", r.boot.Usr); diff != "" {
		t.Errorf("booted (-want +got):\n%s", diff)
	}
}

// TestIntegrationRecipeBuildroot has a target directory with the busybox guest.
func TestIntegrationRecipeBuildroot(t *testing.T) {
	t.Parallel()
	needRoot(t)
	k, dir := kernel.get(t), t.TempDir()
	target := filepath.Join(dir, "output/target")
	modules, images := filepath.Join(target, "usr/lib/modules"), filepath.Join(dir, "output/images")
	testfs.Run(t, "mkdir", "-p", target, images)
	testfs.Run(t, "cp", "-a", filepath.Join(busybox.get(t).Dir, "usr"), target)
	testfs.Run(t, "mkdir", "-p", modules)
	testfs.Run(t, "cp", "-a", filepath.Join(k.Dir, "lib/modules", k.Release), modules)
	testfs.Run(t, "cp", k.Image, filepath.Join(images, "bzImage"))
	says(t, recipe(t, "buildroot.md", dir), "would boot usr:org.example.board:x86-64:1.0")
	r := bootImage(t, filepath.Join(dir, "board.img"))
	if diff := cmp.Diff("usr:org.example.board:x86-64:1.0", r.boot.Usr); diff != "" {
		t.Errorf("booted (-want +got):\n%s", diff)
	}
}

// bootImage boots what the boot loader of an image would boot, with what it would say.
func bootImage(t *testing.T, path string) *report {
	t.Helper()
	boot, err := directboot.Extract(t.Context(), path, "x86-64", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, vm.Disk{Path: path})
	m.Kernel, m.Initramfs = boot.Kernel, boot.Initramfs
	return m.boot(boot.Cmdline)
}
