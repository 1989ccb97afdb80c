package qemutests_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/freshroot/freshroot/pkg/vm"
	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/freshroot/freshroot/qemu-tests/image"
	"github.com/google/go-cmp/cmp"
)

// bootLoader is systemd-boot, of Debian's package systemd-boot-efi.
const bootLoader = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"

// TestIntegrationFirmware has two pools as good as each other, and boots by UEFI and
// systemd-boot, which leaves word from which disk.
func TestIntegrationFirmware(t *testing.T) {
	t.Parallel()
	m := firmwareMachine(t, "one", "panic=1 volatile=yes", guest.Pool(master(t, "1.0", nil)))
	m.Disks = slices.Insert(m.Disks, 0, disk(t, pool(guest.Pool(master(t, "2.0", nil)))))
	r := m.boot("") // the loader has the command line
	got := []string{r.boot.Usr, r.boot.Pool.Device}
	if diff := cmp.Diff([]string{usr + "1.0", "/dev/vdb2"}, got); diff != "" {
		t.Errorf("booted (-want +got):\n%s", diff)
	}
	if len(r.boot.Warnings) > 0 {
		t.Errorf("warnings: %q", r.boot.Warnings)
	}
	if r.Mount("/sys/firmware/efi/efivars") != nil {
		t.Error("the firmware's variables are left mounted")
	}
}

// TestIntegrationLoaderPanic asks what the kernel does when it panics, where the boot loader
// has counted: it reboots by itself, as where the init counts.
func TestIntegrationLoaderPanic(t *testing.T) {
	t.Parallel()
	m := firmwareMachine(t, "one+3", "freshroot.usr=1.0 volatile=yes "+
		guest.RunArg("cat /proc/sys/kernel/panic"), guest.Pool(master(t, "1.0+3", nil)))
	r := m.boot("")
	if r.boot.CountedBy != "boot loader" || r.RunOutput != "10\n" {
		t.Errorf("counted by %q; seconds until a panic reboots: %q", r.boot.CountedBy, r.RunOutput)
	}
}

// firmwareMachine has firmware, and one disk: with systemd-boot, an entry of a name and
// with options for the kernel, and a pool.
func firmwareMachine(t *testing.T, entry, options string, populate func(top string) error) *machine {
	t.Helper()
	m := firmwareOnly(t)
	esp := image.Partition{
		Type: image.TypeESP, Label: "esp", SizeMiB: 64, FS: "vfat",
		Populate: func(root string) error { return populateESP(t, root, entry, options) },
	}
	m.Disks = append(m.Disks, disk(t, image.Spec{
		SizeMiB: poolSize + 64, Partitions: []image.Partition{esp, image.Pool(populate)},
	}))
	return m
}

// firmwareOnly is a machine that boots by UEFI, of no disk yet.
func firmwareOnly(t *testing.T) *machine {
	t.Helper()
	needRoot(t)
	firmware, err := vm.OVMF(t.TempDir())
	skipUnless(t, err)
	needFile(t, bootLoader)
	return &machine{t, vm.Config{Firmware: firmware}}
}

// needFile skips a test that needs a file of a package that is not installed.
func needFile(t *testing.T, path string) {
	t.Helper()
	_, err := os.Stat(path)
	skipUnless(t, err)
}

// skipUnless skips a test that lacks something, where it may.
func skipUnless(t *testing.T, err error) {
	t.Helper()
	if err != nil && os.Getenv("CI") == "" {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
}

// populateESP puts what the firmware is to boot where it looks for it.
func populateESP(t *testing.T, root, entry, options string) error {
	text := "linux /linux\ninitrd /initramfs\noptions console=ttyS0 " + options + "\n"
	return errors.Join(
		os.MkdirAll(filepath.Join(root, "EFI/BOOT"), 0o755),
		os.MkdirAll(filepath.Join(root, "loader/entries"), 0o755),
		copyFile(filepath.Join(root, "EFI/BOOT/BOOTX64.EFI"), bootLoader),
		copyFile(filepath.Join(root, "linux"), kernel.get(t).Image),
		copyFile(filepath.Join(root, "initramfs"), everywhere.get(t).Output),
		os.WriteFile(filepath.Join(root, "loader/loader.conf"), []byte("timeout 0\n"), 0o644),
		os.WriteFile(filepath.Join(root, "loader/entries", entry+".conf"), []byte(text), 0o644),
	)
}

func copyFile(dst, src string) error {
	data, err := os.ReadFile(src)
	if err != nil {
		return err
	}
	return os.WriteFile(dst, data, 0o644)
}
