package archive

import (
	"fmt"
	"slices"
	"strings"
)

// Modules are the modules to include: names, aliases or patterns of paths, as
// [depmod.Tree.Select] takes them.
type Modules struct {
	Required []string // it is an error if one does not exist
	Optional []string
}

// Empty reports whether no modules are wanted at all.
func (m Modules) Empty() bool { return len(m.Required)+len(m.Optional) == 0 }

// virtio reaches the disk of a virtual machine that was made for it.
var virtio = Modules{
	// Without btrfs there is no pool, so a kernel without it is a mistake.
	Required: []string{"btrfs"},
	Optional: []string{"overlay", "virtio_pci", "virtio_mmio", "virtio_blk",
		"virtio_scsi", "sd_mod"},
}

// everywhere reaches the disk of PCs, virtual machines and boards. No kernel has all of
// these; some have them built in.
var everywhere = Modules{
	Required: virtio.Required,
	Optional: slices.Concat(virtio.Optional, []string{
		"efivarfs",
		// disks, and what is between them and the CPU
		"nvme", "ahci", "ahci_platform", "ata_piix", "ata_generic",
		"kernel/drivers/pci/controller/*",
		// USB, with the controllers of PCs and of boards
		"usb_storage", "uas",
		"xhci_pci", "ehci_pci", "ohci_pci", "uhci_hcd",
		"xhci_plat_hcd", "ehci_platform", "ohci_platform", "dwc2", "dwc3",
		// SD cards and eMMC
		"mmc_block", "kernel/drivers/mmc/host/*",
		// virtual machines of VMware, Hyper-V and Xen
		"vmw_pvscsi", "mptspi", "hv_storvsc", "xen_blkfront",
	}),
}

// SetsHelp describes the sets of [ParseModules] for people.
func SetsHelp() string {
	return "default  " + everywhere.list() + "\n" +
		"virtio   " + virtio.list() + "\n" +
		"none     nothing: all is built into the kernel"
}

// list returns the modules as a text of short lines.
func (m Modules) list() string {
	text, width := "", 0
	for _, name := range slices.Concat(m.Required, m.Optional) {
		if width += len(name) + 1; width > 70 {
			text, width = text+"\n        ", len(name)+1
		}
		text += " " + name
	}
	return strings.TrimSpace(text)
}

// ParseModules reads a list of modules and sets, separated by commas. A list that
// starts with "+" is added to the default set.
func ParseModules(list string) (Modules, error) {
	var m Modules
	list, plus := strings.CutPrefix(list, "+")
	if plus {
		m = m.with(everywhere)
	}
	for _, name := range strings.Split(list, ",") {
		switch name {
		case "":
			return m, fmt.Errorf("modules %q: an empty name", list)
		case "none":
			if strings.Contains(list, ",") || plus {
				return m, fmt.Errorf("modules %q: none stands alone", list)
			}
		case "default":
			m = m.with(everywhere)
		case "virtio":
			m = m.with(virtio)
		default:
			m.Required = append(m.Required, name)
		}
	}
	return m, nil
}

// with returns the modules and those of a set.
func (m Modules) with(set Modules) Modules {
	return Modules{
		Required: slices.Concat(m.Required, set.Required),
		Optional: slices.Concat(m.Optional, set.Optional),
	}
}
