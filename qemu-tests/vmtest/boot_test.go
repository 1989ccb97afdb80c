package vmtest_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshroot/freshroot/pkg/vm"
	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/freshroot/freshroot/qemu-tests/image"
	"github.com/freshroot/freshroot/qemu-tests/vmtest"
)

// shell is an init that gives a shell on the console, with a short prompt.
const shell = `#!/bin/sh
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
exec < /dev/console > /dev/console 2>&1
dmesg -n 1
stty -echo
echo GUEST-READY
export PS1='$ '
exec sh -i
`

// bootTime is far beyond what a boot takes under emulation on a busy machine.
const bootTime = 5 * time.Minute

// config returns a machine that boots the tests' kernel into a script.
func config(t *testing.T, script string) vm.Config {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a virtual machine")
	}
	kernel, err := guest.FetchKernel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	initramfs := filepath.Join(t.TempDir(), "initramfs.cpio")
	if err := guest.Initramfs(t.Context(), initramfs, script, ""); err != nil {
		t.Fatal(err)
	}
	return vm.Config{
		Kernel: kernel.Image, Initramfs: initramfs, MemoryMiB: 512,
		Cmdline: "console=ttyS0 quiet panic=0",
	}
}

func timeout(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bootTime)
	t.Cleanup(cancel)
	return ctx
}

// expect is Expect for a pattern that must come; it returns the first group.
func expect(ctx context.Context, t *testing.T, v *vm.VM, pattern string) string {
	t.Helper()
	m, err := v.Expect(ctx, pattern)
	if err != nil {
		t.Fatal(err)
	}
	return m[len(m)-1]
}

func send(t *testing.T, v *vm.VM, line string) {
	t.Helper()
	if err := v.Send(line); err != nil {
		t.Fatal(err)
	}
}

func TestDialogue(t *testing.T) {
	c := config(t, shell)
	var copied strings.Builder
	c.Console = &copied
	ctx := timeout(t)
	v := vmtest.ForTest(t, c)

	expect(ctx, t, v, "GUEST-READY\n")
	expect(ctx, t, v, `^\$ $`) // a prompt is no complete line
	send(t, v, "echo $((6 * 7)) is it")
	if got := expect(ctx, t, v, "^(.*) is it\n"); got != "42" {
		t.Errorf("the guest's shell says %q, want 42", got)
	}
	send(t, v, "poweroff -f")
	if err := v.Wait(ctx); err != nil {
		t.Error(err)
	}
	if !strings.Contains(v.Output(), "42 is it\n") {
		t.Errorf("the output lacks the answer:\n%s", v.Output())
	}
	if !strings.Contains(copied.String(), "42 is it\r\n") {
		t.Errorf("the copied console lacks the answer:\n%s", copied.String())
	}
	if _, err := v.Expect(ctx, "GUEST-READY"); !errors.Is(err, vm.ErrExited) {
		t.Errorf("Expect after the end: %v, want ErrExited", err)
	}
}

// TestUnpackedKernel asks an emulated kernel for the version of the protocol it was booted
// with: it makes 2.12 up itself where there was no bzImage.
func TestUnpackedKernel(t *testing.T) {
	t.Setenv("FRESHROOT_KVM", "0")
	ctx := timeout(t)
	v := vmtest.ForTest(t, config(t, shell))
	expect(ctx, t, v, "GUEST-READY\n")
	send(t, v, "cat /sys/kernel/boot_params/version; poweroff -f")
	expect(ctx, t, v, `\b0x020c\n`)
	if err := v.Wait(ctx); err != nil {
		t.Error(err)
	}
}

func TestRebootEndsMachine(t *testing.T) {
	ctx := timeout(t)
	v := vmtest.ForTest(t, config(t, "#!/bin/sh\nreboot -f\n"))
	if err := v.Wait(ctx); err != nil {
		t.Error(err)
	}
}

func TestPanicIsNamed(t *testing.T) {
	ctx := timeout(t)
	v := vmtest.ForTest(t, config(t, "#!/bin/sh\nexit 3\n"))
	_, err := v.Expect(ctx, "never printed")
	if !errors.Is(err, vm.ErrPanic) {
		t.Fatalf("Expect: %v, want ErrPanic", err)
	}
	for _, want := range []string{"never printed", "Attempted to kill init! exitcode=0x00000300"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if err := v.Wait(ctx); !errors.Is(err, vm.ErrPanic) {
		t.Errorf("Wait: %v, want ErrPanic", err)
	}
	// Who expects the panic gets it.
	expect(ctx, t, v, "Kernel panic - not syncing: (.*)\n")
}

func TestContextEndsMachine(t *testing.T) {
	c := config(t, shell)
	ctx, cancel := context.WithCancel(timeout(t))
	v, err := vm.Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	expect(ctx, t, v, "GUEST-READY\n")
	cancel()
	if err := v.Wait(t.Context()); err == nil {
		t.Error("a cancelled machine ended well")
	}
}

func TestPowercut(t *testing.T) {
	c := config(t, shell)
	ctx := timeout(t)
	v := vmtest.ForTest(t, c)
	expect(ctx, t, v, "GUEST-READY\n")
	v.Powercut()
	if err := v.Wait(ctx); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait after the power cut: %v, want that QEMU was killed", err)
	}
}

// TestDisks gives a machine a disk of each kind. The initramfs has no drivers: the
// devices on the PCI bus are what there is to see.
func TestDisks(t *testing.T) {
	c := config(t, shell)
	for _, i := range []vm.Interface{
		vm.VirtioBlk, vm.VirtioSCSI, vm.NVMe, vm.AHCI, vm.USBStorage, vm.UAS, vm.SDHCI,
	} {
		c.Disks = append(c.Disks, vm.Disk{Path: sparse(t), Interface: i})
	}
	c.Disks = append(c.Disks,
		vm.Disk{Path: sparse(t), SectorSize: 4096, Serial: "four", ReadOnly: true},
		vm.Disk{Path: sparse(t), SectorSize: 4096, Interface: vm.NVMe})
	ctx := timeout(t)
	v := vmtest.ForTest(t, c)
	expect(ctx, t, v, "GUEST-READY\n")
	send(t, v, "echo classes $(cut -c3-6 /sys/bus/pci/devices/*/class) end")
	got := " " + expect(ctx, t, v, "classes (.*)\n")
	for class, n := range map[string]int{
		"0100": 3, // virtio: two block, one SCSI
		"0108": 2, // NVMe
		"0106": 2, // AHCI, one of them the machine's own
		"0c03": 2, // xHCI
		"0805": 1, // SDHCI
	} {
		if strings.Count(got, " "+class) != n {
			t.Errorf("%d PCI devices of class %s, want %d:%s",
				strings.Count(got, " "+class), class, n, got)
		}
	}
}

func TestAddDisk(t *testing.T) {
	c := config(t, shell)
	c.Hotplug = 1
	ctx := timeout(t)
	v := vmtest.ForTest(t, c)
	expect(ctx, t, v, "GUEST-READY\n")
	send(t, v, `while ! grep -l 0x1042 /sys/bus/pci/devices/*/device; do :; done`)
	if err := v.AddDisk(ctx, vm.Disk{Path: sparse(t)}); err != nil {
		t.Fatal(err)
	}
	expect(ctx, t, v, "/sys/bus/pci/devices/.*/device\n")
	err := v.AddDisk(ctx, vm.Disk{Path: sparse(t)})
	if err == nil || !strings.Contains(err.Error(), "no hot-plug port is left") {
		t.Errorf("a second disk on one port: %v", err)
	}
}

// TestResume starts two machines from the state of a third, each with a disk of its own.
func TestResume(t *testing.T) {
	c := config(t, shell)
	c.Hotplug = 1
	ctx := timeout(t)
	v := vmtest.ForTest(t, c)
	expect(ctx, t, v, "GUEST-READY\n")
	send(t, v, "here=before; while echo so far; do sleep 1; echo as $here; done")
	expect(ctx, t, v, "so far\n")
	saved := filepath.Join(t.TempDir(), "saved")
	if err := v.Save(ctx, saved); err != nil {
		t.Fatal(err)
	}
	v.Kill()
	c.Resume = saved
	for range 2 {
		v := vmtest.ForTest(t, c)
		expect(ctx, t, v, "as before\n")
		if err := v.AddDisk(ctx, vm.Disk{Path: sparse(t)}); err != nil {
			t.Error(err)
		}
		if err := v.Save(ctx, saved); err == nil {
			t.Error("a machine with a disk was saved")
		}
	}
}

// TestBadArguments wants QEMU's own words in the error.
func TestBadArguments(t *testing.T) {
	c := config(t, shell)
	c.Disks = []vm.Disk{{Path: "/nonexistent.img"}}
	v := vmtest.ForTest(t, c)
	_, err := v.Expect(timeout(t), "GUEST-READY")
	if !errors.Is(err, vm.ErrExited) || !strings.Contains(err.Error(), "/nonexistent.img") {
		t.Errorf("Expect: %v, want ErrExited and QEMU's complaint", err)
	}
}

func TestIcount(t *testing.T) {
	c := config(t, shell)
	c.Icount, c.CPUs = true, 4
	ctx := timeout(t)
	v := vmtest.ForTest(t, c)
	expect(ctx, t, v, "GUEST-READY\n")
	send(t, v, "echo $(nproc) CPUs")
	if got := expect(ctx, t, v, "([0-9]+) CPUs\n"); got != "1" {
		t.Errorf("%s CPUs, want 1", got)
	}
}

// TestFirmware boots the kernel as an EFI program off a FAT. Without a command line the
// kernel says nothing: that the firmware starts it is what there is to see.
func TestFirmware(t *testing.T) {
	c := config(t, shell)
	firmware, err := vm.OVMF(t.TempDir())
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI") == "" {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	kernel, disk := c.Kernel, filepath.Join(t.TempDir(), "disk.img")
	err = image.Create(disk, image.Spec{SizeMiB: 66, Partitions: []image.Partition{{
		Type: image.TypeESP, FS: "vfat",
		Populate: func(root string) error {
			boot := filepath.Join(root, "EFI/BOOT")
			return errors.Join(os.MkdirAll(boot, 0o755), copyFile(
				filepath.Join(boot, "BOOTX64.EFI"), kernel))
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	c.Kernel, c.Initramfs, c.Cmdline = "", "", ""
	c.Firmware, c.Disks = firmware, []vm.Disk{{Path: disk}}
	expect(timeout(t), t, vmtest.ForTest(t, c), "BdsDxe: starting Boot")
}

// TestKVMOrNot boots with the accelerator that the package finds by trying.
func TestKVMOrNot(t *testing.T) {
	t.Setenv("FRESHROOT_KVM", "")
	v := vmtest.ForTest(t, config(t, shell))
	expect(timeout(t), t, v, "GUEST-READY\n")
}

func copyFile(dst, src string) error {
	content, err := os.ReadFile(src)
	if err != nil {
		return err
	}
	return os.WriteFile(dst, content, 0o644)
}

// sparse makes an image of a size that every interface takes.
func sparse(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 64<<20); err != nil {
		t.Fatal(err)
	}
	return path
}
