package guest

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// unwanted are globs of what the tests have no use for, though an image might: there is
// no ext4 to be checked, and the check takes seconds.
var unwanted = []string{
	"etc/systemd/system/*.wants/e2scrub*", "etc/apt/apt.conf.d/99mmdebstrap",
}

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
// with its etc and var as the factory, what makes it report, and the modules of the
// kernel.
func (f flavour) makeMaster(ctx context.Context, dir, base string, kernel *Kernel) error {
	parts := []string{"usr", "etc", "var"}
	for _, part := range parts {
		if err := run(ctx, "cp", "-a", filepath.Join(base, part), dir); err != nil {
			return err
		}
	}
	args := []string{"build"}
	for _, glob := range slices.Concat(unwanted, f.unwanted) {
		args = append(args, "--exclude="+glob)
	}
	if err := factoryTool(ctx, append(args, dir)...); err != nil {
		return err
	}
	for _, part := range parts[1:] {
		if err := os.RemoveAll(filepath.Join(dir, part)); err != nil {
			return err
		}
	}
	if err := writeFiles(dir, f.files...); err != nil {
		return err
	}
	for _, e := range f.edits {
		if err := e.apply(dir); err != nil {
			return err
		}
	}
	return addModules(ctx, dir, kernel)
}

// factoryTool runs "freshroot factory" of this checkout, as somebody would who makes
// an image.
func factoryTool(ctx context.Context, args ...string) error {
	top, err := checkout()
	if err != nil {
		return err
	}
	tool := []string{"-C", top, "run", "./cmd/freshroot", "factory"}
	return run(ctx, "go", append(tool, args...)...)
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
