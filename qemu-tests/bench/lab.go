package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/freshroot/freshroot/pkg/archive"
	"github.com/freshroot/freshroot/pkg/vm"
	"github.com/freshroot/freshroot/qemu-tests/guest"
)

var (
	//go:embed mark/mark.c
	markSource string
	//go:embed floor/floor.c
	floorSource string
)

// lab has what the sections share.
type lab struct {
	dir     string // scratch
	repeats repeats
	kernel  *guest.Kernel
	mark    string // the init of the booted OS
	factory string // of Debian
	files   int    // machines so far: each gets a disk of its own
}

// repeats says how often something is measured, by the noise of its clock.
type repeats struct{ virtual, real, host int }

var (
	thorough = repeats{virtual: 3, real: 9, host: 21}
	quick    = repeats{virtual: 1, real: 3, host: 5}
)

func newLab(ctx context.Context, dir string, r repeats) (*lab, error) {
	l := &lab{dir: dir, repeats: r, mark: filepath.Join(dir, "mark")}
	if err := compile(ctx, l.mark, markSource); err != nil {
		return nil, err
	}
	debian, err := guest.Debian(ctx, "bookworm")
	if err != nil {
		return nil, err
	}
	l.kernel = debian.Kernel
	l.factory = filepath.Join(debian.Dir, "usr/share/factory")
	return l, nil
}

// path names a file in the scratch directory.
func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }

// compile makes a static program of C.
func compile(ctx context.Context, path, source string, defines ...string) error {
	args := []string{"-O2", "-static", "-Wall", "-Wextra", "-Werror", "-x", "c", "-o", path}
	for _, d := range defines {
		args = append(args, "-D"+d)
	}
	cmd := exec.CommandContext(ctx, "gcc", append(args, "-")...)
	cmd.Stdin = strings.NewReader(source)
	return runQuiet(cmd)
}

// runQuiet runs a program; the error has what it printed.
func runQuiet(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, out)
	}
	return nil
}

// build makes an initramfs with a list of modules. init is a ready-made one, or ""
// for freshroot's.
func (l *lab) build(ctx context.Context, name, init, list string) (archive.Result, error) {
	modules, err := archive.ParseModules(list)
	if err != nil {
		return archive.Result{}, err
	}
	return archive.Build(ctx, archive.Options{
		Output: l.path(name + ".cpio.zst"), Init: init, Modules: modules,
		Kernel: archive.Kernel{
			Release: l.kernel.Release,
			Dir:     filepath.Join(l.kernel.Dir, "lib/modules", l.kernel.Release),
		},
		Compression: archive.Zstd19,
	})
}

// initramfs makes one with the modules that a virtio machine may need, and returns
// its file.
func (l *lab) initramfs(ctx context.Context, name, init string) (string, error) {
	r, err := l.build(ctx, name, init, "virtio")
	return r.Output, err
}

// clock is a way to measure a boot.
type clock struct {
	name   string
	icount bool
	cpus   int
	memory int // MiB
}

var (
	virtual = clock{"V, 1 CPU", true, 1, 1024}
	real1   = clock{"R, 1 CPU", false, 1, 1024}
	real2   = clock{"R, 2 CPUs", false, 2, 1024}
	large   = clock{"R, 2 CPUs, 2 GiB", false, 2, 2048}
)

// of says how often to repeat by a clock.
func (r repeats) of(c clock) int {
	if c.icount {
		return r.virtual
	}
	return r.real
}

// bootTime is far beyond what a boot takes under emulation on a busy machine.
const bootTime = 10 * time.Minute

// cmdline is for all machines. The kernel is quiet, since a character on an
// emulated serial port takes longer than many a system call.
const cmdline = "console=ttyS0 quiet panic=-1 printk.devkmsg=on "

// boot boots the disk with an initramfs and returns what the OS reports.
func (l *lab) boot(ctx context.Context, disk, initramfs string, c clock, words string) (
	*report, error,
) {
	return l.run(ctx, vm.Config{
		Kernel: l.kernel.Image, Initramfs: initramfs, Cmdline: cmdline + words,
		Disks: []vm.Disk{{Path: disk}}, CPUs: c.cpus, MemoryMiB: c.memory, Icount: c.icount,
	})
}

// run runs a machine until it is off.
func (l *lab) run(ctx context.Context, machine vm.Config) (*report, error) {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	v, err := vm.Start(ctx, machine)
	if err != nil {
		return nil, err
	}
	defer v.Kill()
	if err := v.Wait(ctx); err != nil {
		return nil, err
	}
	r, err := parseReport(v.Output())
	if err != nil {
		return nil, fmt.Errorf("%w; the console:\n%s", err, v.Output())
	}
	return r, nil
}

// bootCopy boots a copy of the disk, so that every boot begins with the same bytes.
func (l *lab) bootCopy(ctx context.Context, disk, initramfs string, c clock, words string) (
	*report, error,
) {
	l.files++
	scratch := l.path(fmt.Sprintf("disk-%d.img", l.files))
	defer os.Remove(scratch)
	if err := runQuiet(exec.CommandContext(ctx, "cp", "--sparse=always", disk, scratch)); err != nil {
		return nil, err
	}
	return l.boot(ctx, scratch, initramfs, c, words)
}
