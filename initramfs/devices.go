package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/mount"
	"github.com/freshroot/freshroot/pkg/volatile"
)

const efivars = "/sys/firmware/efi/efivars"

// devices loads modules for the hardware until the pool is found.
func (b *boot) devices() error {
	events, err := device.Listen()
	if err != nil {
		return err
	}
	defer events.Close()
	b.modules, err = openModules(b.params, b.log)
	if err != nil {
		b.warn("modules of the initramfs: " + err.Error())
	} else if t := b.modules.table; t != nil && t.Release() != b.kernel {
		b.warn(fmt.Sprintf("the initramfs has modules for %s, not for %s", t.Release(), b.kernel))
	}
	// First: the kernel checks the signatures of the ones that follow, megabytes of
	// them, and with the CPU's own instructions that takes a fraction of the time.
	b.modules.serve("crypto-sha256")
	fileSystem := b.loadFileSystem()
	if err := device.Modaliases(b.modules.serve); err != nil {
		return err
	}
	if err := b.waitForPool(events, b.bootPartition()); err != nil {
		return err
	}
	return <-fileSystem
}

// loadFileSystem loads btrfs beside the hardware's modules: it takes longest of all.
func (b *boot) loadFileSystem() <-chan error {
	done := make(chan error, 1)
	go func() {
		done <- guard(func() error {
			// The CPU's own checksum comes first: what is there when btrfs loads is
			// used for good. Other ones wait until a pool turns out to need them.
			b.modules.serve("crypto-crc32c")
			b.modules.require("fs-btrfs")
			if b.opts.Mode == volatile.Overlay {
				b.modules.serve("fs-overlay")
			}
			return nil
		})
	}()
	return done
}

// bootPartition asks the firmware where the boot loader came from, and whether it wants
// a factory reset.
func (b *boot) bootPartition() (id string) {
	err := b.askFirmware(func() (err error) {
		b.readFirmware()
		if b.opts.Root == "" {
			id, err = device.BootPartition(efivars)
		}
		return err
	})
	if err != nil {
		b.warn(err.Error())
	}
	return id
}

// askFirmware lets ask read the variables of the firmware, if it has any.
func (b *boot) askFirmware(ask func() error) error {
	if _, err := os.Stat(efivars); err != nil {
		return nil
	}
	b.modules.serve("fs-efivarfs")
	const flags = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := mount.Mount("efivarfs", efivars, "efivarfs", flags, ""); err != nil {
		return err
	}
	// The OS mounts it for itself, writable.
	defer mount.Unmount(efivars)
	return ask()
}

// bootDiskWait is how long another disk has to wait for the one that the boot loader
// came from. USB sticks take some seconds to appear.
const bootDiskWait = 10 * time.Second

// waitForPool looks at the disks as they appear.
func (b *boot) waitForPool(events *device.Listener, bootPart string) error {
	begin, told := time.Now(), time.Duration(0)
	for {
		if err := b.settle(events); err != nil {
			return err
		}
		disks, err := b.disks.look()
		if err != nil {
			return err
		}
		b.pool, err = volatile.FindPool(disks, b.opts, b.arch, bootPart)
		waited := time.Since(begin)
		switch {
		case err == nil && bootPart != "" && !volatile.Has(disks, bootPart):
			if waited >= min(bootDiskWait, b.opts.Timeout) {
				b.warn("the disk that the boot loader came from does not appear: PARTUUID=" + bootPart)
				return b.makeNode()
			}
		case err == nil:
			return b.makeNode()
		case isAmbiguous(err):
			return err
		case waited >= b.opts.Timeout:
			return b.explainModules(err)
		}
		if seconds := waited.Truncate(time.Second); seconds > told {
			told = seconds
			b.log.info(fmt.Sprintf("waiting for %s: %v of %v; %s", b.wanted(bootPart), told, b.opts.Timeout, summary(disks)))
		}
		if err := b.await(events, min(time.Second, b.opts.Timeout-waited)); err != nil {
			return err
		}
	}
}

func isAmbiguous(err error) bool {
	var failure *volatile.Failure
	return errors.As(err, &failure) && failure.Problem == volatile.Ambiguous
}

// await handles the next event, if one comes in time.
func (b *boot) await(events *device.Listener, wait time.Duration) error {
	event, ok, err := events.Next(wait)
	switch {
	case err == device.ErrLost:
		b.rescan()
	case err != nil:
		return err
	case ok:
		b.handle(event)
	}
	return nil
}

// settle handles what the kernel has announced so far, so that what a module has
// brought is seen before anything is decided.
func (b *boot) settle(events *device.Listener) error {
	for {
		event, ok, err := events.Next(0)
		switch {
		case err == device.ErrLost:
			b.rescan()
		case err != nil:
			return err
		case !ok:
			return nil
		default:
			b.handle(event)
		}
	}
}

// handle loads the modules for a new device, and forgets what a disk held that has
// changed.
func (b *boot) handle(e device.Event) {
	if e.Modalias != "" && e.Action == "add" {
		b.modules.serve(e.Modalias)
	}
	if e.Subsystem == "block" && e.DevType == "disk" {
		delete(b.disks, e.DevName)
	}
}

// rescan starts over when events were lost.
func (b *boot) rescan() {
	clear(b.disks)
	if err := device.Modaliases(b.modules.serve); err != nil {
		b.warn("look for devices: " + err.Error())
	}
}

// wanted says what the boot waits for.
func (b *boot) wanted(bootPart string) string {
	switch {
	case b.opts.Root != "":
		return "root=" + b.opts.Root
	case bootPart != "":
		return "the disk that the boot loader came from"
	}
	return "a disk with a pool"
}

func summary(disks []volatile.Disk) string {
	if len(disks) == 0 {
		return "no disk so far"
	}
	var names []string
	for _, d := range disks {
		names = append(names, d.Name)
	}
	return "seen so far: " + strings.Join(names, " ")
}

// explainModules adds to a failure that the modules could not be loaded: then that
// is why no disk was found.
func (b *boot) explainModules(err error) error {
	var failure *volatile.Failure
	t := b.modules.table
	if t != nil && t.Release() != b.kernel && errors.As(err, &failure) {
		failure.Seen = append(failure.Seen, fmt.Sprintf(
			"the modules of this initramfs are for kernel %s, %s is running", t.Release(), b.kernel))
		failure.Do = append([]string{
			"build the initramfs for this kernel: freshroot initramfs build -k " + b.kernel}, failure.Do...)
	}
	return err
}

// diskCache remembers what is on each disk.
type diskCache map[string]volatile.Disk

// look returns all disks, sorted by name, and reads those it does not know.
func (c diskCache) look() ([]volatile.Disk, error) {
	names, err := device.Disks()
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(c, func(name string, _ volatile.Disk) bool { return !slices.Contains(names, name) })
	slices.Sort(names)
	disks := make([]volatile.Disk, 0, len(names))
	for _, name := range names {
		if _, known := c[name]; !known {
			c[name] = device.ReadDisk("/dev/" + name)
		}
		disks = append(disks, c[name])
	}
	return disks, nil
}

// makeNode makes sure that the kernel knows the pool's partition: it does not look
// for the backup of a partition table.
func (b *boot) makeNode() error {
	if _, err := os.Stat(b.pool.Device); err == nil {
		return nil
	}
	disk := "/dev/" + b.pool.Disk
	b.warn(fmt.Sprintf("the kernel does not know %s: adding it; mend the partition table of %s",
		b.pool.Device, disk))
	return device.AddPartition(disk, b.pool)
}
