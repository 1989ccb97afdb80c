package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/cmdline"
	"github.com/freshroot/freshroot/pkg/mount"
	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// boot is one boot on its way from the kernel to the OS.
type boot struct {
	log      *kmsg
	umask    int    // what the kernel gave us, for the init of the OS
	kernel   string // release
	arch     string
	cmdline  string
	params   cmdline.Params
	opts     volatile.Options
	modules  *modules
	disks    diskCache
	firmware reset.Firmware
	pool     volatile.Partition
	plan     volatile.Plan
	record   record

	unwritable bool // the pool turned out to be
	counted    bool // a try is less now, so that reboots come to an end
}

func newBoot() *boot {
	b := &boot{log: &kmsg{}, arch: subvol.HostArch(), disks: diskCache{}}
	b.opts, _ = volatile.ParseOptions(nil)
	return b
}

// testPanic names a phase that panics, so that a test sees what becomes of it. It
// is only ever set by the linker, in a test.
var testPanic string

// run does the phases of the boot in their order. It only returns an error.
func (b *boot) run() error {
	phases := []struct {
		name string
		do   func() error
	}{
		{"early", b.early},
		{"devices", b.devices},
		{"pool", b.mountPool},
		{"pick", b.pick},
		{"root", b.assemble},
	}
	for _, phase := range phases {
		b.pause(phase.name, "the phase "+phase.name)
		done := b.record.start(phase.name)
		if err := b.phase(phase.name, phase.do); err != nil {
			return err
		}
		done()
	}
	last := b.plan.Steps[len(b.plan.Steps)-1]
	b.pause(volatile.Kind(last), last.String())
	return b.limited(last.String(), 0, b.handOver)
}

// phase does a phase before its deadline. Where the disk is waited for, that comes on
// top; where the root is assembled, each step has one of its own.
func (b *boot) phase(name string, do func() error) error {
	if name == testPanic {
		do = func() error { panic("asked for by a test") }
	}
	switch name {
	case "root":
		return do()
	case "devices":
		return b.limited("the phase "+name, b.opts.Timeout, do)
	}
	return b.limited("the phase "+name, 0, do)
}

// guard turns a panic into an error: PID 1 must not die, or the kernel does.
func guard(f func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = panicFailure(cause, stack())
		}
	}()
	return f()
}

func stack() []string {
	buf := make([]byte, 4<<10)
	text := string(buf[:runtime.Stack(buf, false)])
	return strings.Split(strings.TrimSpace(strings.ReplaceAll(text, "\t", "  ")), "\n")
}

// apiMounts are what every Linux userland expects; /run is handed over to it as
// systemd's INITRD_INTERFACE wants it.
var apiMounts = []struct {
	fstype, target, data string
	flags                uintptr
}{
	{"devtmpfs", "/dev", "mode=0755", unix.MS_NOSUID},
	{"proc", "/proc", "", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
	{"sysfs", "/sys", "", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
	{"tmpfs", "/run", "mode=0755", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_STRICTATIME},
}

// early mounts the API file systems and reads the command line.
func (b *boot) early() error {
	for _, m := range apiMounts {
		if err := mount.Dir(m.target); err != nil {
			return err
		}
		if err := mount.Mount(m.fstype, m.target, m.fstype, m.flags, m.data); err != nil {
			return err
		}
	}
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	var warnings []string
	b.cmdline = strings.TrimSpace(string(line))
	b.params = cmdline.Parse(b.cmdline)
	b.opts, warnings = volatile.ParseOptions(b.params)
	b.log.open(b.opts.Log, b.params)
	for _, warning := range warnings {
		b.warn(warning)
	}
	b.forbidShell()
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return fmt.Errorf("read kernel release: %w", err)
	}
	b.kernel = unix.ByteSliceToString(uts.Release[:])
	return nil
}

// warn tells a person what does not stop the boot, on the console and in boot.json.
func (b *boot) warn(text string) {
	b.log.warn(text)
	b.record.warnings = append(b.record.warnings, text)
}

// warnOnce warns of what was not warned of before: a plan may be made anew.
func (b *boot) warnOnce(list []string) {
	for _, text := range list {
		if !slices.Contains(b.record.warnings, text) {
			b.warn(text)
		}
	}
}

// now is the time since the kernel started, as its own messages have it.
func now() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
