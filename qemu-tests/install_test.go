package qemutests_test

import (
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

// TestIntegrationInstall installs to a disk, boots from it, installs what is running to
// another one, and boots from that one alone, as the firmware was told.
func TestIntegrationInstall(t *testing.T) {
	t.Parallel()
	needRoot(t)
	firmware, err := vm.OVMF(t.TempDir())
	if err != nil {
		testfs.Tool(t, "OVMF")
	}
	tool := compileFor(t, "../cmd/freshroot")
	first, second := emptyDisk(t, 700), emptyDisk(t, 600)
	const install = `insmod /usr/lib/modules/$(uname -r)/kernel/drivers/block/loop.ko
		freshroot install --from-running --yes --esp-size 128M --cmdline "$(cat /usr/share/next)" /dev/vdb`
	const look = `mount -t efivarfs efivarfs /mnt; cd /mnt
		n=$(tail -c2 BootCurrent-* | od -An -tx1 | awk '{print toupper($2 $1)}')
		cat Boot$n-* | tr -d '\0' | grep -o 'freshroot org.example.busybox'; ls /usr/marker`
	tree := installTree(t, "console=ttyS0 panic=1 "+guest.RunArg(look))
	loop := strings.TrimSpace(testfs.Run(t, "losetup", "-f", "--show", first))
	out, err := exec.Command(tool, "install", "--usr", tree, "--kernel-from", slimKernel(t), "--tool", tool,
		"--initramfs", everywhere.get(t).Output, "--vendor", "org.example.busybox", "--version", "1.0",
		"--esp-size", "128M", "--cmdline", "console=ttyS0 panic=1 volatile=yes "+guest.RunArg(install),
		"--no-firmware", "--yes", loop).CombinedOutput()
	testfs.Run(t, "losetup", "-d", loop)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	m := &machine{t, vm.Config{Disks: []vm.Disk{{Path: first}, {Path: second}}, Firmware: firmware}}
	before := checksum(t, first)
	r := m.boot("")
	want := "/dev/vdb boots " + usr + "1.0 with Linux " + kernel.get(t).Release + "\n"
	if r.RunStatus != 0 || !strings.Contains(r.RunOutput, want) {
		t.Fatalf("status %d:\n%s", r.RunStatus, r.RunOutput)
	}
	if checksum(t, first) != before {
		t.Error("the disk that was running has changed")
	}

	m.Disks = m.Disks[1:]
	r = m.boot("")
	if diff := cmp.Diff([]string{usr + "1.0", "no"}, []string{r.boot.Usr, r.boot.Mode}); diff != "" {
		t.Errorf("booted (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("freshroot org.example.busybox\n/usr/marker\n", r.RunOutput); diff != "" {
		t.Errorf("what the firmware has booted (-want +got):\n%s", diff)
	}
}

// emptyDisk makes a file of zeroes of some MiB.
func emptyDisk(t *testing.T, mib int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, mib<<20); err != nil {
		t.Fatal(err)
	}
	return path
}

// installTree is the busybox guest as an installed system, with what installing needs of
// this machine. next is the command line of what it installs.
func installTree(t *testing.T, next string) string {
	t.Helper()
	tree := busyboxTree(t)
	testfs.Run(t, "sh", "-c", `cd "$0" && > usr/marker &&
		install -D "$1" usr/lib/systemd/boot/efi/systemd-bootx64.efi`, tree, bootLoader)
	if err := os.WriteFile(filepath.Join(tree, "usr/share/next"), []byte(next), 0o644); err != nil {
		t.Fatal(err)
	}
	testfs.Run(t, "sh", "-c", `set -e
		for p in mkfs.btrfs btrfs mkfs.fat fsck.fat mcopy mmd; do
			p=$(command -v $p)
			cp -L --remove-destination $p "$0/usr/bin/"
			for l in $(ldd $p | grep -o '/[^ ]*'); do
				d=usr/${l#/}; case $d in usr/usr/*) d=${d#usr/} ;; esac; [ -e "$0/$d" ] || install -D $l "$0/$d"
			done
		done
		cd / && cp --parents -r usr/lib/*/gconv/gconv-modules* usr/lib/*/gconv/IBM850.so "$0"`, tree)
	return tree
}

// busyboxTree is the busybox guest as an installed system.
func busyboxTree(t *testing.T) string {
	t.Helper()
	tree := filepath.Join(t.TempDir(), "os")
	testfs.Run(t, "cp", "-a", busybox.get(t).Dir, tree)
	testfs.Run(t, "sh", "-c", `cd "$0" && mv usr/share/factory/* . && rmdir usr/share/factory`, tree)
	return tree
}

// slimKernel is the tests' kernel with the module that only installing needs; those that
// booting needs are in the initramfs.
func slimKernel(t *testing.T) string {
	t.Helper()
	k := kernel.get(t)
	dir := t.TempDir()
	testfs.Run(t, "sh", "-c", `set -e
		cd "$1"; r=$2; m=lib/modules/$r
		mkdir -p "$0/boot" && cp boot/vmlinuz-$r "$0/boot"
		for f in kernel/drivers/block/loop.ko modules.order modules.builtin; do
			install -D $m/$f "$0/$m/$f"
		done
		depmod -b "$0" $r`, dir, filepath.Dir(filepath.Dir(k.Image)), k.Release)
	return dir
}
