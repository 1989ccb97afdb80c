package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/freshroot/freshroot/pkg/vm"
	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/freshroot/freshroot/qemu-tests/image"
)

// systemdBoot is the boot loader of Debian's package systemd-boot-efi.
const systemdBoot = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"

// firmwareSection compares a boot by firmware and boot loader, from /init on, with one
// whose kernel is started directly: the init asks the firmware where it was booted from.
func firmwareSection(ctx context.Context, l *lab, w io.Writer) error {
	initramfs, err := l.build(ctx, "everywhere", "", "default")
	if err != nil {
		return err
	}
	disk, err := l.firmwareDisk(initramfs.Output)
	if err != nil {
		return err
	}
	t := newTable("clock", "directly ms", "by firmware ms", "ratio")
	for _, c := range []clock{real1, real2} {
		var times [2][]time.Duration
		for range l.repeats.of(c) {
			for i, start := range []func(clock) (vm.Config, error){
				l.direct(initramfs.Output), l.byFirmware,
			} {
				took, err := l.startFrom(ctx, disk, c, start)
				if err != nil {
					return err
				}
				times[i] = append(times[i], took)
			}
		}
		a, b := median(times[0]), median(times[1])
		t.row(c.name, ms(a), ms(b), ratio(b, a))
	}
	_, err = fmt.Fprintf(w, "## By firmware, from /init to the OS\n\n%s\n", t)
	return err
}

// direct starts the kernel without firmware.
func (l *lab) direct(initramfs string) func(clock) (vm.Config, error) {
	return func(c clock) (vm.Config, error) {
		return vm.Config{
			Kernel: l.kernel.Image, Initramfs: initramfs, Cmdline: cmdline + "volatile=yes",
			CPUs: c.cpus, MemoryMiB: c.memory,
		}, nil
	}
}

// byFirmware leaves all to what the disk has.
func (l *lab) byFirmware(c clock) (vm.Config, error) {
	l.files++
	variables := l.path(fmt.Sprintf("firmware-%d", l.files))
	if err := os.Mkdir(variables, 0o755); err != nil {
		return vm.Config{}, err
	}
	firmware, err := vm.OVMF(variables)
	return vm.Config{Firmware: firmware, CPUs: c.cpus, MemoryMiB: c.memory}, err
}

// startFrom boots the disk once, which does not change with volatile=yes, and returns the
// time from /init to the OS.
func (l *lab) startFrom(
	ctx context.Context, disk string, c clock, start func(clock) (vm.Config, error),
) (time.Duration, error) {
	config, err := start(c)
	if err != nil {
		return 0, err
	}
	config.Disks = []vm.Disk{{Path: disk}}
	r, err := l.run(ctx, config)
	if err != nil {
		return 0, err
	}
	took, err := r.between(runInit, switched)
	progress("%s, by firmware %v: %s ms", c.name, config.Kernel == "", ms(took))
	return took, err
}

// firmwareDisk has a boot partition with systemd-boot, and the pool.
func (l *lab) firmwareDisk(initramfs string) (string, error) {
	usr, err := l.userland("firmware", l.factory)
	if err != nil {
		return "", err
	}
	esp := image.Partition{
		Type: image.TypeESP, Label: "esp", SizeMiB: 64, FS: "vfat",
		Populate: func(root string) error { return l.populateESP(root, initramfs) },
	}
	pool := image.Pool(guest.Pool(guest.Member{Name: master, Usr: usr, Release: l.kernel.Release}))
	path := l.path("firmware.img")
	return path, image.Create(path, image.Spec{
		SizeMiB: 320, Partitions: []image.Partition{esp, pool},
	})
}

func (l *lab) populateESP(root, initramfs string) error {
	entry := "linux /linux\ninitrd /initramfs\noptions " + cmdline + "volatile=yes\n"
	return errors.Join(
		os.MkdirAll(filepath.Join(root, "EFI/BOOT"), 0o755),
		os.MkdirAll(filepath.Join(root, "loader/entries"), 0o755),
		runQuiet(exec.Command("cp", systemdBoot, filepath.Join(root, "EFI/BOOT/BOOTX64.EFI"))),
		runQuiet(exec.Command("cp", l.kernel.Image, filepath.Join(root, "linux"))),
		runQuiet(exec.Command("cp", initramfs, filepath.Join(root, "initramfs"))),
		os.WriteFile(filepath.Join(root, "loader/loader.conf"), []byte("timeout 0\n"), 0o644),
		os.WriteFile(filepath.Join(root, "loader/entries/bench.conf"), []byte(entry), 0o644),
	)
}
