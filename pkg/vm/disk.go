package vm

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"strings"
)

// Interface is the bus a disk hangs on: each one needs another kernel driver and
// other waiting in the guest.
type Interface string

// The interfaces that a disk can have.
const (
	VirtioBlk  Interface = "virtio-blk" // the default
	VirtioSCSI Interface = "virtio-scsi"
	NVMe       Interface = "nvme"
	AHCI       Interface = "ahci"
	USBStorage Interface = "usb-storage"
	UAS        Interface = "uas"
	SDHCI      Interface = "sdhci" // QEMU wants a size that is a power of two
)

// Disk is an image file that the guest sees as a disk.
type Disk struct {
	Path       string
	Format     string // "raw" if empty, or what else QEMU knows
	SectorSize int    // 512 if zero, or 4096
	Interface  Interface
	ReadOnly   bool
	Serial     string
	Throttle   string // a throttle-group, which is an object in Config.ExtraArgs, or ""

	// Log, if set, is a file, which must exist, that gets each write and each flush, for
	// package writelog.
	Log string

	// Offset and Size make a disk of a part of the image, in bytes, multiples of 512.
	// It is all of it if Size is zero.
	Offset, Size int64

	// Discard makes holes in the image of what the guest discards.
	Discard bool

	// Volatile keeps the image as it is: what the guest writes goes to a file
	// without a name in TMPDIR, or /var/tmp, that ends with QEMU.
	Volatile bool
}

// objects returns the block device and the guest devices, controller first, that
// make up the disk. port is the PCI bus the controller goes to, or "" for any.
func (d Disk) objects(id, port string) (block props, devices []props, err error) {
	if err := d.check(); err != nil {
		return nil, nil, fmt.Errorf("disk %q: %w", d.Path, err)
	}
	block = d.block()
	block["node-name"] = id
	devices = d.devices(id)
	if port != "" {
		devices[0]["bus"] = port
	}
	return block, devices, nil
}

// block returns the image, behind what slows it down and the log of what is written to
// it, if there are to be any.
func (d Disk) block() props {
	file := props{"driver": "file", "filename": d.Path}
	if d.Discard {
		file["discard"] = "unmap"
	}
	if d.Throttle != "" {
		file = props{"driver": "throttle", "throttle-group": d.Throttle, "file": file}
	}
	image := props{
		"driver": cmp.Or(d.Format, "raw"), "read-only": d.ReadOnly,
		// The host's page cache outlives a killed QEMU, so that flushing to the
		// medium would only make tests slow.
		"cache": props{"no-flush": true},
		"file":  file,
	}
	if d.Size != 0 {
		image["offset"], image["size"] = d.Offset, d.Size
	}
	if d.Discard {
		image["discard"] = "unmap"
	}
	if d.Log == "" {
		return image
	}
	log := props{"driver": "file", "filename": d.Log, "cache": props{"no-flush": true}}
	return props{"driver": "blklogwrites", "file": image, "log": log}
}

// volatileDrive is the drive in QEMU's older terms: only these have the snapshot.
func (d Disk) volatileDrive(id string) string {
	return "if=none,snapshot=on,id=" + id + ",format=" + cmp.Or(d.Format, "raw") +
		",file=" + strings.ReplaceAll(d.Path, ",", ",,")
}

// check refuses what QEMU would accept silently or reject obscurely.
func (d Disk) check() error {
	switch d.SectorSize {
	case 0, 512:
	case 4096:
		if d.Interface == AHCI || d.Interface == SDHCI {
			return fmt.Errorf("%s has 512-byte sectors only", d.Interface)
		}
	default:
		return fmt.Errorf("sector size %d", d.SectorSize)
	}
	if d.Interface == SDHCI && d.Serial != "" {
		return fmt.Errorf("%s has no serial", d.Interface)
	}
	if d.Volatile && (d.ReadOnly || d.Size != 0 || d.Discard || d.Throttle+d.Log != "") {
		return errors.New("volatile goes with no ReadOnly, Size, Discard, Throttle or Log")
	}
	if d.Size != 0 && cmp.Or(d.Format, "raw") != "raw" {
		return fmt.Errorf("a part of an image in the format %s", d.Format)
	}
	if d.devices("") == nil {
		return fmt.Errorf("unknown interface %q", d.Interface)
	}
	return nil
}

// devices lists the controller and the disk proper. Every disk has a controller
// of its own, so that disks do not depend on each other's order.
func (d Disk) devices(id string) []props {
	bus := id + "-bus"
	hd := func(driver, on string, more props) props {
		return d.drive(id, props{"driver": driver, "bus": on}, more)
	}
	switch d.Interface {
	case "", VirtioBlk:
		return []props{d.drive(id, props{"driver": "virtio-blk-pci"}, nil)}
	case NVMe:
		// The specification makes the serial mandatory.
		serial := props{"serial": cmp.Or(d.Serial, id)}
		return []props{d.drive(id, props{"driver": "nvme"}, serial)}
	case VirtioSCSI:
		return []props{controller("virtio-scsi-pci", bus), hd("scsi-hd", bus+".0", nil)}
	case AHCI:
		return []props{controller("ahci", bus), hd("ide-hd", bus+".0", nil)}
	case USBStorage:
		return []props{controller("qemu-xhci", bus), hd("usb-storage", bus+".0", nil)}
	case UAS:
		xhci := id + "-xhci"
		uas := props{"driver": "usb-uas", "id": bus, "bus": xhci + ".0"}
		return []props{controller("qemu-xhci", xhci), uas, hd("scsi-hd", bus+".0", nil)}
	case SDHCI:
		// The card takes neither sector size nor serial, and finds its bus.
		return []props{
			controller("sdhci-pci", bus), {"driver": "sd-card", "drive": id},
		}
	}
	return nil
}

func controller(driver, id string) props {
	return props{"driver": driver, "id": id}
}

// drive completes a disk device with what all of them share.
func (d Disk) drive(id string, dev, more props) props {
	dev["drive"] = id
	if d.SectorSize != 0 {
		dev["logical_block_size"] = d.SectorSize
		dev["physical_block_size"] = d.SectorSize
	}
	if d.Serial != "" {
		dev["serial"] = d.Serial
	}
	maps.Copy(dev, more)
	return dev
}
