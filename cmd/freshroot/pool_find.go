package main

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"

	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// readDisks looks at block devices, and at files with the image of one.
func readDisks(paths []string) (disks []volatile.Disk, err error) {
	for _, path := range paths {
		if err := isDisk(path); err != nil {
			return nil, err
		}
		d := device.ReadDisk(path)
		if d.Size == 0 && d.Err != nil {
			return nil, d.Err
		}
		disks = append(disks, d)
	}
	return disks, nil
}

// isDisk refuses what would be taken for a damaged disk, or be waited for: a FIFO.
func isDisk(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%q is a directory: name a disk, or a file with the image of one", path)
	case !info.Mode().IsRegular() && info.Mode().Type() != fs.ModeDevice:
		return fmt.Errorf("%q is neither a disk nor a file with the image of one", path)
	}
	return nil
}

// poolOn finds the pool on disks, and on which of them it is. The rules are those of a
// boot without root=; but a single file system without partitions, for which a boot
// needs root=, is what was meant as well; and so is the pool of another architecture, if
// there is none for this machine.
func poolOn(paths []string) (disk string, found volatile.Partition, err error) {
	disks, err := readDisks(paths)
	if err != nil {
		return "", found, err
	}
	if len(disks) == 1 && len(disks[0].Partitions) == 1 && disks[0].Partitions[0].Number == 0 {
		return paths[0], disks[0].Partitions[0], nil
	}
	found, err = volatile.FindPool(disks, volatile.Options{}, subvol.HostArch(), "")
	if err != nil {
		found, err = foreignPool(disks, err)
	}
	return diskOf(found, paths), found, err
}

// foreignPool finds a pool for whatever machine; none is the error if there is none.
func foreignPool(disks []volatile.Disk, none error) (volatile.Partition, error) {
	for _, arch := range gpt.Architectures() {
		if p, err := volatile.FindPool(disks, volatile.Options{}, arch, ""); err == nil {
			return p, nil
		}
	}
	return volatile.Partition{}, none
}

// archOf is the architecture that a partition is for, or this machine's.
func archOf(p volatile.Partition) string {
	return cmp.Or(gpt.ArchOf(p.Type), subvol.HostArch())
}

// diskOf returns which of the disks or images holds a partition. The name of an image's
// partition is only for people: there is no such device.
func diskOf(p volatile.Partition, disks []string) string {
	for _, disk := range disks {
		if disk == p.Device || device.PartitionName(disk, p.Number) == p.Device {
			return disk
		}
	}
	return p.Device
}
