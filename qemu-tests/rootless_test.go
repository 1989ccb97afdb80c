package qemutests_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/qemu-tests/image"
)

// nobody is a user who may do nothing.
const nobody = 65534

// TestIntegrationRootless builds an image of one tar as root and as somebody who is not, and
// wants the same files in it.
func TestIntegrationRootless(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := nobodysDir(t)
	program, tree := filepath.Join(dir, "freshroot"), filepath.Join(dir, "tree.tar")
	init := compileFor(t, "../initramfs")
	err := errors.Join(copyProgram(program, tool.get(t)), copyProgram(filepath.Join(dir, "init"), init))
	if err != nil {
		t.Fatal(err)
	}
	// No archive may have device nodes outside of /dev.
	tar := exec.Command("tar", "--xattrs", "--xattrs-include=*", "--exclude=var/lib/null",
		"-C", busybox.get(t).Dir, "-cf", tree, ".")
	if out, err := tar.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	build := func(output string, credential *syscall.Credential) string {
		cmd := exec.Command(program, "image", "build", "--usr", tree, "--vendor", vendor, "--version", "1.0",
			"--kernel-from", kernel.get(t).Dir, "--init", "init", "--modules", "virtio",
			"--seed", "the same", "--compress", "none", "-o", output)
		cmd.Dir = dir
		cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + dir, "TMPDIR=" + filepath.Join(dir, "tmp"),
			"SOURCE_DATE_EPOCH=1700000000", "FRESHROOT_KVM=" + os.Getenv("FRESHROOT_KVM")}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
		if credential == nil {
			cmd.Env[0] += ":/usr/sbin:/sbin"
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	for output, test := range map[string]struct {
		credential *syscall.Credential
		way        string
	}{
		"root.img":   {nil, "building here, with a loop device (root)"},
		"nobody.img": {&syscall.Credential{Uid: nobody, Gid: nobody}, "building in a virtual machine (not root)"},
	} {
		if out := build(output, test.credential); !strings.Contains(out, test.way) {
			t.Errorf("%s: it does not say %q:\n%s", output, test.way, out)
		}
	}
	if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
	want, got := contents(t, filepath.Join(dir, "root.img")), contents(t, filepath.Join(dir, "nobody.img"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-root +nobody):\n%s", diff)
	}
	if out := imageTool(t, "verify", filepath.Join(dir, "nobody.img")); strings.Contains(out, "wrong") {
		t.Errorf("image verify:\n%s", out)
	}
}

// TestIntegrationHelperSources has the helper machine make images of the kinds of sources
// that it gets in ways of their own: a directory as a tar, which may have device nodes; a
// container image in a directory; and those that its kernel mounts. Here, with a loop device,
// the same has to come of them.
func TestIntegrationHelperSources(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := t.TempDir()
	shell := func(script string) {
		t.Helper()
		c := exec.Command("sh", "-ec", script, "sh", busybox.get(t).Dir)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	// A kernel of a few bytes keeps the machine from copying modules for a minute.
	shell(`cp -a "$1" tree
		mkdir -p tree/usr/lib/modules/6.1
		: > tree/usr/lib/modules/6.1/modules.dep
		echo kernel > tree/usr/lib/modules/6.1/vmlinuz
		echo initramfs > initramfs
		mksquashfs tree squashfs -quiet -no-progress
		mkfs.erofs -zlz4 erofs tree
		cp -a tree plain
		rm plain/usr/share/factory/var/lib/null
		umoci init --layout oci
		umoci new --image oci:os
		umoci insert --image oci:os plain/usr /usr`)
	for _, source := range []string{"tree", "squashfs", "erofs", "oci"} {
		list := map[string]string{}
		for _, builder := range []string{"loop", "vm"} {
			c := exec.Command(tool.get(t), "image", "build", "--builder", builder, "--usr", source,
				"--helper-kernel", kernel.get(t).Dir, "--initramfs", "initramfs", "--no-tool", "--bootloader", "extlinux",
				"--vendor", vendor, "--version", "1.0", "--seed", "the same", "--compress", "none", "--force", "-o", builder)
			c.Dir = dir
			c.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000")
			if out, err := c.CombinedOutput(); err != nil {
				t.Fatalf("%s, %s: %v\n%s", source, builder, err, out)
			}
			list[builder] = contents(t, filepath.Join(dir, builder))
			if source == "squashfs" { // of which not all kernels tell where the holes are
				list[builder] = strings.ReplaceAll(list[builder], " sparse", "")
			}
		}
		if diff := cmp.Diff(list["loop"], list["vm"]); diff != "" || !strings.Contains(list["vm"], "busybox") {
			t.Errorf("%s (-loop +machine):\n%s", source, diff)
		}
	}
}

// nobodysDir is a directory that nobody may write to, and reach: t.TempDir is for us alone.
func nobodysDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "rootless")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	tmp := filepath.Join(dir, "tmp")
	err = errors.Join(os.Mkdir(tmp, 0o755), os.Chown(tmp, nobody, nobody), os.Chmod(dir, 0o755),
		os.Chown(dir, nobody, nobody))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// contents is what there is to know of each file of the pool, and of what boots.
func contents(t *testing.T, path string) (list string) {
	t.Helper()
	const espPart, poolPart = 1, 2
	err := image.Mount(path, poolPart, true, func(root string) error {
		out, err := exec.Command(buildManifest(t), filepath.Join(root, usr+"1.0")).CombinedOutput()
		list = strings.ReplaceAll(string(out), root, "")
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v\n%s", path, err, list)
	}
	esp := t.TempDir()
	out, err := exec.Command("mcopy", "-s", "-n", "-i", path+"@@1M", "::/", esp).CombinedOutput()
	if err != nil {
		t.Fatalf("mcopy: %v\n%s", err, out)
	}
	out, err = exec.Command("sh", "-c", `cd "$1" && find . -type f | sort | xargs sha256sum`, "sh", esp).Output()
	if err != nil {
		t.Fatal(err)
	}
	return list + string(out)
}
