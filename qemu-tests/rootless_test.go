package qemutests_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/internal/trixie"
	"github.com/freshroot/freshroot/pkg/vm"
	"github.com/freshroot/freshroot/qemu-tests/image"
)

// nobody is a user who may do nothing.
const nobody = 65534

// rootless are the ways to build an image that are to be the same: what is run of nobody's
// directory, and what the tool says of it.
var rootless = map[string]struct{ start, says string }{
	"root": {`PATH=$PATH:/usr/sbin:/sbin; exec "$@"`, "building here, with a loop device (root)"},
	"machine": {
		`exec setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"`,
		"building in a virtual machine (not root; ",
	},
	// Only to this process nobody has users of their own, and a new mkfs.btrfs.
	"namespace": {
		`mount -t tmpfs -o mode=755 tmpfs /mnt
		mkdir /mnt/upper /mnt/work
		echo nobody:100000:65536 | tee /mnt/upper/subuid >/mnt/upper/subgid
		mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work overlay /etc
		PATH=$PWD/trixie:$PATH
		exec setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"`,
		"building here, with mkfs.btrfs --rootdir (not root)",
	},
}

// TestIntegrationRootless builds an image of one tar as root and as somebody who is not, in
// both ways, and wants the same files in all. What was made in a user namespace boots.
func TestIntegrationRootless(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := nobodysDir(t)
	fillNobodysDir(t, dir)
	list := map[string]string{}
	for name, way := range rootless {
		c := exec.Command("unshare", "--mount", "sh", "-ec", way.start, "sh",
			filepath.Join(dir, "freshroot"), "image", "build", "--usr", "tree.tar", "--vendor", vendor, "--version", "1.0",
			"--kernel-from", kernel.get(t).Dir, "--init", "init", "--modules", "virtio",
			"--seed", name, "--compress", "none", "-o", name+".img")
		c.Dir = dir
		c.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + dir, "TMPDIR=" + filepath.Join(dir, "tmp"),
			"SOURCE_DATE_EPOCH=1700000000", "FRESHROOT_KVM=" + os.Getenv("FRESHROOT_KVM")}
		if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), way.says) {
			t.Fatalf("%s: %v; it does not say %q:\n%s", name, err, way.says, out)
		}
		if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(left) > 0 {
			t.Errorf("%s: temporary files are left: %v, %v", name, left, err)
		}
		list[name] = contents(t, filepath.Join(dir, name+".img"))
	}
	for name := range rootless {
		want := list["root"]
		if name == "namespace" { // mkfs.btrfs makes no holes
			want = strings.ReplaceAll(want, " sparse", "")
		}
		if diff := cmp.Diff(want, list[name]); diff != "" {
			t.Errorf("(-root +%s):\n%s", name, diff)
		}
		if out := imageTool(t, "verify", filepath.Join(dir, name+".img")); strings.Contains(out, "wrong") {
			t.Errorf("image verify: %s:\n%s", name, out)
		}
	}
	namespaced := filepath.Join(dir, "namespace.img")
	if r := newMachine(t, vm.Disk{Path: namespaced}).boot(""); r.boot.Usr != usr+"1.0" {
		t.Errorf("it booted %q", r.boot.Usr)
	}
	imageTool(t, "verify", namespaced)
}

// fillNobodysDir puts into a directory what the tool is given.
func fillNobodysDir(t *testing.T, dir string) {
	t.Helper()
	err := errors.Join(
		copyProgram(filepath.Join(dir, "freshroot"), tool.get(t)),
		copyProgram(filepath.Join(dir, "init"), compileFor(t, "../initramfs")),
	)
	if err != nil {
		t.Fatal(err)
	}
	testfs.Run(t, "cp", "-a", filepath.Dir(trixie.MkfsBtrfs(t)), filepath.Join(dir, "trixie"))
	// No archive may have device nodes outside of /dev.
	testfs.Run(t, "tar", "--xattrs", "--xattrs-include=*", "--exclude=var/lib/null",
		"-C", busybox.get(t).Dir, "-cf", filepath.Join(dir, "tree.tar"), ".")
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
