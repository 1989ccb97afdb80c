package guest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// machineOwn is what belongs to one machine, or to the one that built the image, and
// so must not be in an image, and what is only a cache. The rest of /etc and /var is
// the factory.
var machineOwn = []string{
	"etc/hostname", "etc/resolv.conf", "etc/fstab", "etc/.pwd.lock",
	"etc/*-", "etc/ssh/ssh_host_*", "etc/apt/apt.conf.d/99mmdebstrap",
	"var/cache/*/*", "var/lib/apt/lists/*", "var/lib/dpkg/*-old",
	"var/lib/systemd/random-seed", "var/log/*", "var/tmp/*",
	// There is no ext4 to be checked, and the check takes seconds.
	"etc/systemd/system/*.wants/e2scrub*",
}

// unit is the name of the service that reports to the tests.
const unit = "freshroot-report.service"

// autologin gives a root shell on the serial console to who asked for it by
// guest.stay. It is for tests and the demo, no model for an image to ship.
const autologin = `[Unit]
ConditionKernelCommandLine=guest.stay

[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin root --noclear --keep-baud 115200 - linux
`

// modules are what a virtual machine may have a use for, a fifth of the package, as
// patterns in the directory of the release.
var modules = []string{
	"modules.builtin", "modules.builtin.modinfo", "modules.order",
	"kernel/arch/x86/crypto", "kernel/crypto", "kernel/lib", "kernel/mm",
	"kernel/drivers/ata", "kernel/drivers/block", "kernel/drivers/cdrom",
	"kernel/drivers/char", "kernel/drivers/hid", "kernel/drivers/input",
	"kernel/drivers/md", "kernel/drivers/mmc", "kernel/drivers/nvme",
	"kernel/drivers/net/virtio*", "kernel/drivers/scsi/s[cdrg]*",
	"kernel/drivers/scsi/virtio*", "kernel/drivers/usb/[chs]*", "kernel/drivers/virtio",
	"kernel/fs/autofs", "kernel/fs/binfmt*", "kernel/fs/btrfs", "kernel/fs/efivarfs",
	"kernel/fs/ext4", "kernel/fs/fat", "kernel/fs/fuse", "kernel/fs/jbd2",
	"kernel/fs/mbcache*", "kernel/fs/nls", "kernel/fs/overlayfs", "kernel/fs/squashfs",
	"kernel/net/core", "kernel/net/packet", "kernel/net/unix",
}

// makeMaster makes a golden master in dir of the system installed in base: its usr,
// with its etc and var as the factory, and the modules of the kernel.
func makeMaster(ctx context.Context, dir, base string, kernel *Kernel) error {
	factory := filepath.Join(dir, "usr/share/factory")
	if err := os.MkdirAll(factory, 0o755); err != nil {
		return err
	}
	for _, part := range []struct{ name, to string }{
		{"usr", dir}, {"etc", factory}, {"var", factory},
	} {
		if err := run(ctx, "cp", "-a", filepath.Join(base, part.name), part.to); err != nil {
			return err
		}
	}
	if err := forgetMachine(factory); err != nil {
		return err
	}
	if err := addFiles(dir); err != nil {
		return err
	}
	return addModules(ctx, dir, kernel)
}

// addModules copies the modules that may be of use, and indexes them.
func addModules(ctx context.Context, dir string, kernel *Kernel) error {
	src := filepath.Join(kernel.Dir, "lib/modules", kernel.Release)
	dst := filepath.Join(dir, "usr/lib/modules", kernel.Release)
	if err := os.MkdirAll(dst, 0o755); err != nil {
		return err
	}
	// --parents keeps the paths as they are given, so they must be relative.
	cp := []string{"-C", src, "cp", "-a", "--parents", "-t", dst}
	for _, pattern := range modules {
		paths, err := fs.Glob(os.DirFS(src), pattern)
		if err != nil {
			return fmt.Errorf("copy modules %q: %w", pattern, err)
		}
		cp = append(cp, paths...)
	}
	if err := run(ctx, "env", cp...); err != nil {
		return err
	}
	// depmod wants lib/modules below what it is given.
	return run(ctx, "depmod", "-b", filepath.Join(dir, "usr"), kernel.Release)
}

// forgetMachine removes from the factory what is a machine's own.
func forgetMachine(factory string) error {
	for _, pattern := range machineOwn {
		paths, err := filepath.Glob(filepath.Join(factory, pattern))
		if err != nil {
			return fmt.Errorf("remove %q from the factory: %w", pattern, err)
		}
		for _, path := range paths {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("remove from the factory: %w", err)
			}
		}
	}
	return nil
}

// addFiles adds what makes the system report to the tests.
func addFiles(dir string) error {
	units := filepath.Join(dir, "usr/lib/systemd/system")
	wants := filepath.Join(units, "multi-user.target.wants")
	return errors.Join(
		writeFiles(dir,
			// With an empty one every boot makes up an ID, but is none that systemd
			// takes for the first: it would enable units by its presets.
			file{"usr/share/factory/etc/machine-id", 0o444, ""},
			file{"usr/lib/guest/report.sh", 0o644, reportScript},
			file{"usr/lib/guest/debian-report.sh", 0o644, debianReport},
			file{"usr/lib/systemd/system/" + unit, 0o644, debianReportUnit},
			file{"usr/share/factory/etc/systemd/system/serial-getty@ttyS0.service.d/" +
				"autologin.conf", 0o644, autologin},
		),
		os.MkdirAll(wants, 0o755),
		os.Symlink("../"+unit, filepath.Join(wants, unit)),
	)
}
