// Command demo boots a real Debian from nothing but its /usr, in each mode, twice, and
// prints what was there each time. scripts/demo is its front.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/freshroot/freshroot/pkg/archive"
	"github.com/freshroot/freshroot/pkg/vm"
	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/freshroot/freshroot/qemu-tests/image"
)

const usage = `usage: demo [--shell [KERNEL_COMMAND_LINE]] [MODE...]

Builds a Debian, an initramfs and a disk image with two versions of the Debian, and
boots it in a virtual machine: twice in each mode (no, state, yes, overlay, or those
given). The table at the end shows what each boot found.

--shell leaves you at the console of one such machine, for example with
    demo --shell volatile=yes
The disk image of --shell is kept, until the Debian is built anew; remove %s to
start anew.
`

// suite is the release of Debian that is booted.
const suite = "bookworm"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	shell := flag.Bool("shell", false, "")
	flag.Usage = func() { fmt.Fprintf(os.Stderr, usage, filepath.Join(".cache", shellDisk)) }
	flag.Parse()
	if err := run(ctx, *shell, flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, shell bool, args []string) error {
	d, err := prepare(ctx)
	if err != nil {
		return err
	}
	if shell {
		return d.shell(ctx, args)
	}
	if len(args) == 0 {
		args = []string{"no", "state", "yes", "overlay"}
	}
	return d.table(ctx, args)
}

// demo is what the machines are made of.
type demo struct {
	cache     string
	tree      *guest.Tree
	initramfs string
}

// say tells what is being done, since some of it takes its time.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// prepare builds what is not in the cache.
func prepare(ctx context.Context) (d demo, err error) {
	if d.cache, err = guest.CacheDir(); err != nil {
		return d, err
	}
	say("a Debian (%s) with systemd, udev and dbus, from packages: half a minute if it is not in %s",
		suite, d.cache)
	if d.tree, err = guest.Debian(ctx, suite); err != nil {
		return d, err
	}
	d.initramfs = filepath.Join(d.cache, "demo.cpio.zst")
	say("the initramfs, for kernel %s", d.tree.Kernel.Release)
	kernel, err := archive.FindKernel(d.tree.Kernel.Dir, d.tree.Kernel.Release, "")
	if err != nil {
		return d, err
	}
	modules, err := archive.ParseModules("virtio")
	if err != nil {
		return d, err
	}
	built, err := archive.Build(ctx, archive.Options{
		Output: d.initramfs, Kernel: kernel, Modules: modules, Compression: archive.Zstd,
	})
	if err == nil {
		say("  %d KiB: the init and %d modules", built.Size>>10, built.Modules)
	}
	return d, err
}

// vendor is what the Debian is called in the pool.
const vendor = "org.debian." + suite

// newDisk writes a disk image with a pool that holds two versions, and no instance.
func (d demo) newDisk(path string) error {
	say("a disk image with a pool of two versions, 1.0 and 1.1")
	members := guest.Pool(
		guest.Member{Name: "usr:" + vendor + ":x86-64:1.0", Usr: d.tree},
		guest.Member{Name: "usr:" + vendor + ":x86-64:1.1", Usr: d.tree},
	)
	return image.Create(path, image.Spec{SizeMiB: 2048, Partitions: []image.Partition{image.Pool(members)}})
}

// machine is a machine with that disk.
func (d demo) machine(disk, cmdline string) vm.Config {
	return vm.Config{
		Kernel: d.tree.Kernel.Image, Initramfs: d.initramfs, CPUs: 2, MemoryMiB: 1024,
		Cmdline: "console=ttyS0 " + cmdline,
		Disks:   []vm.Disk{{Path: disk}},
	}
}

// shellDisk is the image of --shell, in the cache.
const shellDisk = "demo-shell.img"

// shell leaves the caller at the console.
func (d demo) shell(ctx context.Context, args []string) error {
	disk := filepath.Join(d.cache, shellDisk)
	if !newer(disk, d.tree.Dir) {
		if err := os.RemoveAll(disk); err != nil {
			return err
		}
		if err := d.newDisk(disk); err != nil {
			return err
		}
	}
	cmdline := "guest.shell"
	for _, arg := range args {
		cmdline += " " + arg
	}
	say("the machine; \"poweroff\" or Ctrl-A X ends it")
	return vm.Attach(ctx, d.machine(disk, cmdline))
}

// newer says whether a file is there, and was written to after another one.
func newer(path, than string) bool {
	a, err := os.Stat(path)
	if err != nil {
		return false
	}
	b, err := os.Stat(than)
	return err == nil && a.ModTime().After(b.ModTime())
}
