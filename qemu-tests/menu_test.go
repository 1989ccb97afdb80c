package qemutests_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/internal/trixie"
	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/vm"
	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/freshroot/freshroot/qemu-tests/image"
)

// menuDisk has two versions, and a menu for them on its first partition, as "freshroot
// image build" arranges it. prepare, if not nil, is given that partition before.
func menuDisk(t *testing.T, style esp.Style, prepare func(root string) error) vm.Disk {
	t.Helper()
	members := []guest.Member{master(t, "1.0", nil), master(t, "2.0", nil)}
	boot := syncedESP(t, style, "volatile=yes", members)
	if sync := boot.Populate; prepare != nil {
		boot.Populate = func(root string) error { return errors.Join(prepare(root), sync(root)) }
	}
	return disk(t, image.Spec{
		SizeMiB:    poolSize + 130,
		Partitions: []image.Partition{boot, image.Pool(guest.Pool(members...))},
	})
}

// bootsMenu boots the newest version, after the menu was shown, and the other one when
// the kernel of that is lost.
func bootsMenu(t *testing.T, m *machine, disk, shown string) {
	t.Helper()
	for _, version := range []string{"2.0", "1.0"} {
		s, kernel := m.start(""), "/freshroot/"+vendor+"/"+version+"/linux"
		s.expect(shown)
		r := s.reportAndKill()
		want := []string{usr + version, "freshroot.usr=" + vendor + ":" + version +
			" console=ttyS0 panic=1 volatile=yes"}
		got := []string{r.boot.Usr, strings.TrimPrefix(r.Cmdline, "BOOT_IMAGE="+kernel+" ")}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("booted (-want +got):\n%s", diff)
		}
		testfs.Run(t, "mdel", "-i", disk+"@@1M", "::"+kernel)
	}
}

// TestIntegrationGrub boots by the menu that a GRUB finds beside it, by its prefix.
func TestIntegrationGrub(t *testing.T) {
	t.Parallel()
	m := firmwareOnly(t)
	needFile(t, "/usr/lib/grub/x86_64-efi/linux.mod")
	program := filepath.Join(t.TempDir(), "grub.efi")
	testfs.Run(t, "grub-mkimage", "-O", "x86_64-efi", "-p", "/grub", "-o", program,
		"part_gpt", "fat", "normal", "search", "search_fs_file", "linux")
	m.Disks = append(m.Disks, menuDisk(t, esp.Grub, func(root string) error {
		dir := filepath.Join(root, "EFI/BOOT")
		return errors.Join(os.MkdirAll(dir, 0o755),
			copyFile(filepath.Join(dir, "BOOTX64.EFI"), program))
	}))
	bootsMenu(t, m, m.Disks[0].Path, "GNU GRUB")
}

// uBoot is that of Debian 13: the one of 12 tells kernels for PCs a wrong size of the
// initramfs.
var uBoot = share(func(ctx context.Context) (string, error) {
	dir := filepath.Join(scratch, "u-boot")
	err := trixie.Unpack(ctx, dir, "trixie", "u-boot-qemu")
	return filepath.Join(dir, "usr/lib/u-boot/qemu-x86/u-boot.rom"), err
})

// TestIntegrationExtlinux boots by the menu that a U-Boot finds. Of all disks, this
// U-Boot knows those of the controller that a q35 always has. It brings no ACPI.
func TestIntegrationExtlinux(t *testing.T) {
	t.Parallel()
	rom, path := uBoot.get(t), menuDisk(t, esp.Extlinux, nil).Path
	bootsMenu(t, &machine{t, vm.Config{ExtraArgs: []string{
		"-bios", rom, "-drive", "if=ide,format=raw,file=" + path,
	}}}, path, "^Enter choice: ")
}
