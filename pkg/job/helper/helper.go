// Package helper makes a virtual machine that has nothing but this tool: an initramfs with
// the tool as its init, which runs one job (package job) as root. So who is not root gets
// done what needs root and a kernel, and nothing of this machine is at stake.
//
// It needs QEMU, and a kernel that the caller can read, with its modules. The tool must be
// linked statically.
package helper

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/archive"
	"github.com/freshroot/freshroot/pkg/vm"
)

// Tool is the path of the tool in the machine, for jobs.
const Tool = "/init"

// Kernel is a kernel for the machine.
type Kernel struct {
	Image   string // path of the bzImage
	Modules archive.Kernel
}

// FindKernel returns the first kernel that can be read, of several roots with lib/modules
// and boot: "/", and directories of unpacked packages.
func FindKernel(roots ...string) (Kernel, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return Kernel{}, fmt.Errorf("uname: %w", err)
	}
	running := unix.ByteSliceToString(name.Release[:])
	var failed []error
	for _, root := range roots {
		k, err := findKernel(root, running)
		if err == nil {
			return k, nil
		}
		failed = append(failed, err)
	}
	return Kernel{}, fmt.Errorf("find a kernel for the helper machine: %w", errors.Join(failed...))
}

func findKernel(root, running string) (Kernel, error) {
	modules, err := archive.FindKernel(root, "", running)
	if err != nil {
		return Kernel{}, err
	}
	image, err := modules.Image(root)
	return Kernel{image, modules}, err
}

// modules are what the machine has a use for.
var modules = archive.Modules{Optional: []string{
	"virtio_pci", "virtio_blk", "virtio_console", "btrfs", "squashfs", "erofs", "loop",
}}

// Machine describes the machine, without disks: who uses it adds them. dir is for its files.
// tool is the program, add what it finds beside itself.
func Machine(ctx context.Context, k Kernel, tool, dir string, add []archive.Addition) (
	vm.Config, error,
) {
	if err := checkStatic(tool); err != nil {
		return vm.Config{}, err
	}
	initramfs := filepath.Join(dir, "initramfs")
	_, err := archive.Build(ctx, archive.Options{
		Output: initramfs, Init: tool, Kernel: k.Modules, Modules: modules, Add: add,
		Compression: archive.None, // to decompress it under emulation takes longer than to load it
	})
	if err != nil {
		return vm.Config{}, fmt.Errorf("make helper machine: %w", err)
	}
	return vm.Config{
		Kernel: k.Image, Initramfs: initramfs, MemoryMiB: 2048,
		Cmdline: "console=ttyS0 quiet panic=-1 rdinit=" + Tool + " -- ci init",
	}, nil
}

// checkStatic refuses a program that needs libraries: as init it has none.
func checkStatic(tool string) error {
	program, err := elf.Open(tool)
	if err != nil {
		return fmt.Errorf("make helper machine: %s: %w", tool, err)
	}
	defer program.Close()
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("make helper machine: %s needs the libraries of this machine: "+
				"build it with CGO_ENABLED=0", tool)
		}
	}
	return nil
}
