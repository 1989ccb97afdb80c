package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/facts"
	"github.com/freshroot/freshroot/pkg/mount"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// mountPool mounts the top level of the pool.
func (b *boot) mountPool() error {
	if b.pool.Checksum != "crc32c" {
		b.modules.serve("crypto-" + b.pool.Checksum)
	}
	if err := mount.Dir(volatile.PoolDir); err != nil {
		return err
	}
	readOnly, options := volatile.PoolMount(b.opts, b.pool.HasLog)
	return b.mountPoolAs(readOnly, options)
}

func (b *boot) mountPoolAs(readOnly bool, options string) error {
	flags, data := mount.ParseOptions(b.opts.RootFlags)
	for option := range strings.SplitSeq(data, ",") {
		switch {
		case option == "":
		case strings.HasPrefix(option, "subvol"):
			b.warn("rootflags=" + option + " was left out: subvolumes are picked by their names")
		default:
			options += "," + option
		}
	}
	flags |= readOnlyFlag(readOnly)
	err := mount.Mount(b.pool.Device, volatile.PoolDir, "btrfs", flags, options)
	if err != nil {
		return mountFailure(err, b.pool)
	}
	return nil
}

// remountPool changes whether the pool can be written to. It was mounted without
// its log being replayed if that was not wanted at first, and cannot become writable
// like this.
func (b *boot) remountPool(s volatile.Remount) error {
	if !s.Writable {
		return mount.Remount(volatile.PoolDir, unix.MS_RDONLY, "")
	}
	if err := mount.Unmount(volatile.PoolDir); err != nil {
		return err
	}
	err := b.mountPoolAs(false, "subvolid=5")
	if err != nil { // what can go on without writing still can
		return errors.Join(err, b.mountPool())
	}
	return nil
}

// pick decides what to boot.
func (b *boot) pick() error {
	dir, err := os.Open(volatile.PoolDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	known, err := facts.Gather(dir, b.pool, b.opts, b.arch, b.kernel)
	if err != nil {
		return err
	}
	known.Firmware = b.firmware
	known.LoaderCounts, known.Unwritable = b.loaderCounts, b.unwritable
	b.plan, err = volatile.New(known)
	if err != nil {
		return err
	}
	for _, s := range b.plan.Usr.Skipped {
		b.log.debug(fmt.Sprintf("not %q: %s", s.Entry, s.Reason))
	}
	b.counted = b.counted || b.plan.CountedBy == volatile.CountedByLoader
	b.decidePanic()
	b.warnOnce(b.plan.Warnings)
	b.log.info(fmt.Sprintf("booting %s from %s with volatile=%s",
		b.plan.Usr.Entry, b.pool.Device, b.opts.Mode))
	return nil
}

// assemble does the steps of the plan but the last, which is the switch.
func (b *boot) assemble() error {
	if err := mount.Dir(volatile.RootDir); err != nil {
		return err
	}
	if err := b.writeFirst(); err != nil {
		return err
	}
	return b.doAll(b.plan.Steps[:len(b.plan.Steps)-1])
}

// doAll does steps, in their order.
func (b *boot) doAll(steps []volatile.Step) error {
	for _, step := range steps {
		b.pause(volatile.Kind(step), step.String())
		b.log.debug(step.String())
		done := timer(step.String(), &b.record.steps)
		err := b.limited(step.String(), 0, func() error { return b.do(step) })
		if err != nil {
			return stepFailure(step, err)
		}
		done()
	}
	return nil
}

// do does one step.
func (b *boot) do(step volatile.Step) error {
	switch s := step.(type) {
	case volatile.Watchdog:
		return b.armWatchdog(s)
	case volatile.Grow:
		b.grow()
		return nil
	case volatile.Count:
		return b.count(s)
	case volatile.Instantiate:
		return b.instantiate(s)
	case volatile.Reset, volatile.Undo:
		b.renew(s)
		return nil
	case volatile.Home:
		b.home(s)
		return nil
	case volatile.Remount:
		return b.remountPool(s)
	case volatile.Bind:
		return bindMount(s)
	case volatile.Protect:
		return mount.Reflag(s.Target, unix.MS_RDONLY)
	case volatile.Tmpfs:
		return mountTmpfs(s.Target, s.Options)
	case volatile.OverlayRoot:
		return overlay(s)
	case volatile.Skeleton:
		return skeleton(s)
	case volatile.Populate:
		return b.populate(s)
	case volatile.Keep:
		return b.keep(s)
	case volatile.Identity:
		return b.identify(s)
	case volatile.Sysusers:
		return b.sysusers(s)
	case volatile.Tmpfiles:
		return b.tmpfiles(s)
	case volatile.VolatileRoot:
		return volatileRoot(s)
	}
	return fmt.Errorf("no way to do %T", step)
}

func bindMount(s volatile.Bind) error {
	if err := mount.Dir(s.Target); err != nil {
		return err
	}
	return mount.Bind(s.Source, s.Target, readOnlyFlag(s.ReadOnly))
}

func readOnlyFlag(readOnly bool) uintptr {
	if readOnly {
		return unix.MS_RDONLY
	}
	return 0
}

// mountTmpfs mounts with strict access times, as systemd does.
func mountTmpfs(target, options string) error {
	if err := mount.Dir(target); err != nil {
		return err
	}
	return mount.Mount("tmpfs", target, "tmpfs", unix.MS_STRICTATIME, options)
}

// overlay mounts its tmpfs aside: the overlay keeps it when it is detached. The
// lower layer is bound to a name without the colons that overlayfs splits at.
func overlay(s volatile.OverlayRoot) error {
	const changes, lower = "/run/freshroot/overlay", "/run/freshroot/lower"
	for _, dir := range []string{filepath.Dir(changes), changes, lower} {
		if err := mount.Dir(dir); err != nil {
			return err
		}
	}
	if err := mountTmpfs(changes, s.Options); err != nil {
		return err
	}
	for _, dir := range []string{"/upper", "/work"} {
		if err := mount.Dir(changes + dir); err != nil {
			return err
		}
	}
	if err := mount.Bind(s.Lower, lower, unix.MS_RDONLY); err != nil {
		return err
	}
	options := "lowerdir=" + lower + ",upperdir=" + changes + "/upper,workdir=" + changes + "/work"
	if err := mount.Mount("overlay", s.Target, "overlay", 0, options); err != nil {
		return err
	}
	return errors.Join(mount.Unmount(changes), mount.Unmount(lower), os.Remove(changes), os.Remove(lower))
}

func skeleton(s volatile.Skeleton) error {
	root, err := os.Open(s.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	return rootfs.Complete(root)
}

// volatileRoot leaves the link that systemd's volatile-root would leave, by which
// its tools find the disk under a root that is in RAM.
func volatileRoot(s volatile.VolatileRoot) error {
	var st unix.Stat_t
	if err := unix.Stat(s.Device, &st); err != nil {
		return fmt.Errorf("stat %s: %w", s.Device, err)
	}
	if err := os.MkdirAll("/run/systemd", 0o755); err != nil {
		return err
	}
	target := fmt.Sprintf("/dev/block/%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	return os.Symlink(target, "/run/systemd/volatile-root")
}

// handOver executes the init of the OS. It only returns an error.
func (b *boot) handOver() error {
	last := b.plan.Steps[len(b.plan.Steps)-1].(volatile.Switch)
	init, err := mount.FindInit(last.Root, last.Init)
	if err != nil {
		return initFailure(err, b.plan)
	}
	if filepath.Base(init) == "sh" && b.opts.Init == "" {
		b.warn("the OS has no init: starting a shell")
	}
	if err := b.writeRecord(init); err != nil {
		return err
	}
	if err := mount.Unmount(volatile.PoolDir); err != nil {
		return err
	}
	b.log.info("switching to the new root, init is " + init)
	b.log.close()
	unix.Umask(b.umask)
	return mount.Switch(last.Root, []string{init}, os.Args[1:], os.Environ())
}
