package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/pkg/mount"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// efivars is where the firmware's variables are.
const efivars = "/sys/firmware/efi/efivars"

// errNoESP says that this machine has no partition with a boot loader that we know of.
var errNoESP = errors.New("found no EFI system partition: name its directory with --esp")

// openESP opens the directory of the partition that the boot loader reads: the one that
// is named, the one that it came from, that on the disk of the pool, or the one that is
// mounted where such are.
func openESP(dir string) (*os.File, error) {
	if dir != "" {
		f, err := os.Open(dir)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return rootfs.OpenDir(f, ".")
	}
	part, err := findESP()
	if err != nil {
		return nil, err
	}
	if part != "" {
		return mount.Nowhere("vfat", part)
	}
	for _, dir := range []string{"/efi", "/boot", "/boot/efi"} {
		var st unix.Statfs_t
		if unix.Statfs(dir, &st) == nil && st.Type == unix.MSDOS_SUPER_MAGIC {
			return openESP(dir)
		}
	}
	return nil, errNoESP
}

// findESP returns the partition by what the boot loader says, or by its type on the
// disk of the pool; "" if there is none.
func findESP() (string, error) {
	boot, err := readBoot()
	if err != nil && !errors.Is(err, errNotBooted) {
		return "", err
	}
	loader, err := device.BootPartition(efivars)
	if err != nil {
		return "", err
	}
	names, err := device.Disks()
	if err != nil {
		return "", err
	}
	onPoolDisk := ""
	for _, name := range names {
		for _, p := range device.ReadDisk("/dev/" + name).Partitions {
			switch {
			case p.Type != gpt.ESP:
			case loader != "" && p.PartUUID == loader:
				return p.Device, nil
			case p.Disk == boot.Pool.Disk && onPoolDisk == "":
				onPoolDisk = p.Device
			}
		}
	}
	return onPoolDisk, nil
}

// withESP shows the partition to f, which nobody else changes meanwhile.
func withESP(dir string, f func(dir *os.File, s esp.State) error) error {
	if err := needsRoot("looking at the EFI system partition"); err != nil {
		return err
	}
	opened, err := openESP(dir)
	if err != nil {
		return err
	}
	defer opened.Close()
	if err := device.Lock(opened); err != nil {
		return err
	}
	state, err := esp.Look(rootfs.FS(opened))
	if err != nil {
		return err
	}
	return f(opened, state)
}

// recountEntries changes the counters of a version's boot loader entries, where there
// are any.
func (b bootRecord) recountEntries(
	w io.Writer, entry string, change func(subvol.Tries) subvol.Tries,
) error {
	m, err := subvol.Parse(entry)
	if err != nil {
		return err
	}
	err = changeEntries(w, func(s esp.State) (esp.Plan, error) {
		return s.Recount(m, change), nil
	})
	if errors.Is(err, errNoESP) {
		return nil
	}
	return err
}

// changeEntries gives boot loader entries the names that decide plans, and tells of it.
func changeEntries(w io.Writer, decide func(s esp.State) (esp.Plan, error)) error {
	err := withESP("", func(dir *os.File, s esp.State) error {
		plan, err := decide(s)
		if err == nil {
			err = plan.Apply(context.Background(), dir)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(w, strings.ReplaceAll(plan.String(), "rename ", "renamed "))
		return err
	})
	if err != nil {
		return fmt.Errorf("change the boot loader's entry: %w", err)
	}
	return nil
}

// readPoolAt shows a pool to f: the one that this machine runs from, or that of a disk, of an
// image, or of the directory where its top level is mounted. running is empty if this machine
// runs from another one.
func readPoolAt(path string, f func(pool *os.File, running bootRecord) error) error {
	if err := needsRoot("looking at the pool"); err != nil {
		return err
	}
	o := memberOptions{pool: path, readOnly: true}
	m, err := o.open()
	if err != nil {
		return err
	}
	defer m.top.Close()
	return f(m.top, m.running)
}
