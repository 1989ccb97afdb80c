package qemutests_test

import (
	"os"
	"testing"

	"github.com/freshroot/freshroot/pkg/vm"
	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/freshroot/freshroot/qemu-tests/image"
	"github.com/google/go-cmp/cmp"
)

// TestIntegrationInterfaces boots from a disk on each bus, with the initramfs that is
// the default: what is loaded is what the hardware asks for.
func TestIntegrationInterfaces(t *testing.T) {
	for _, test := range []struct {
		bus     vm.Interface
		device  string
		modules []string // loaded for this bus, and not for each of the others
	}{
		{vm.VirtioBlk, "/dev/vda1", []string{"virtio_blk"}},
		{vm.VirtioSCSI, "/dev/sda1", []string{"virtio_scsi", "sd_mod"}},
		{vm.NVMe, "/dev/nvme0n1p1", []string{"nvme"}},
		{vm.AHCI, "/dev/sda1", []string{"ahci", "sd_mod"}},
		{vm.USBStorage, "/dev/sda1", []string{"xhci_pci", "usb_storage", "sd_mod"}},
		{vm.UAS, "/dev/sda1", []string{"xhci_pci", "uas", "sd_mod"}},
		{vm.SDHCI, "/dev/mmcblk0p1", []string{"sdhci_pci", "mmc_block"}},
	} {
		t.Run(string(test.bus), func(t *testing.T) {
			t.Parallel()
			spec := pool(guest.Pool(master(t, "1.0", nil)))
			spec.SizeMiB = 256 // an SD card's size is a power of two
			d := disk(t, spec)
			d.Interface = test.bus
			m := newMachine(t, d)
			m.Initramfs = everywhere.get(t).Output
			r := m.boot("volatile=yes")
			if diff := cmp.Diff(test.device, r.boot.Pool.Device); diff != "" {
				t.Errorf("the pool (-want +got):\n%s", diff)
			}
			checkModules(t, r, test.modules)
		})
	}
}

// checkModules wants some modules to be loaded, and of those that are for one bus no
// others. The machine has an AHCI controller of its own, and virtio has parts in common.
func checkModules(t *testing.T, r *report, want []string) {
	t.Helper()
	loaded := map[string]bool{}
	for _, name := range names(r.boot.Modules) {
		loaded[name] = true
	}
	got := map[string]bool{}
	for _, name := range []string{
		"virtio_blk", "virtio_scsi", "nvme", "usb_storage", "uas", "xhci_pci",
		"sdhci_pci", "mmc_block", "dwc3", "vmw_pvscsi", "xen_blkfront",
	} {
		if loaded[name] {
			got[name] = true
		}
	}
	for _, name := range want {
		if !loaded[name] {
			t.Errorf("%s is not loaded: %q", name, names(r.boot.Modules))
		}
		delete(got, name)
	}
	// The drivers of USB disks ask for each other.
	delete(got, "usb_storage")
	delete(got, "uas")
	if len(got) > 0 {
		t.Errorf("loaded for no reason: %v", got)
	}
}

// TestIntegrationSectors boots from disks with large sectors.
func TestIntegrationSectors(t *testing.T) {
	for _, bus := range []vm.Interface{vm.VirtioBlk, vm.NVMe} {
		t.Run(string(bus), func(t *testing.T) {
			t.Parallel()
			spec := pool(guest.Pool(master(t, "1.0", nil)))
			spec.SectorSize = 4096
			d := disk(t, spec)
			d.Interface = bus
			m := newMachine(t, d)
			m.Initramfs = everywhere.get(t).Output
			if r := m.boot("volatile=no"); r.Markers["/etc"] != guest.MarkerNew {
				t.Errorf("marker in /etc: %s", r.Markers["/etc"])
			}
		})
	}
}

// TestIntegrationBackupTable boots from a disk of which only the backup of the table is
// left: the kernel does not know the partition.
func TestIntegrationBackupTable(t *testing.T) {
	for name, size := range map[string]int{"512": 512, "4096": 4096} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := pool(guest.Pool(master(t, "1.0", nil)))
			spec.SectorSize = size
			d := disk(t, spec)
			if err := image.CorruptPrimary(d.Path); err != nil {
				t.Fatal(err)
			}
			r := newMachine(t, d).boot("")
			if !r.warned("the kernel does not know /dev/vda1: adding it") {
				t.Errorf("warnings: %q", r.boot.Warnings)
			}
			if diff := cmp.Diff("/dev/vda1", r.boot.Pool.Device); diff != "" {
				t.Errorf("the pool (-want +got):\n%s", diff)
			}
		})
	}
}

// The ids of a pool that is named by root=.
const (
	partUUID = "11111111-2222-3333-4444-555555555555"
	fsUUID   = "66666666-7777-8888-9999-aaaaaaaaaaaa"
)

// TestIntegrationRoot names one of two pools in every form of root=.
func TestIntegrationRoot(t *testing.T) {
	named := image.Pool(guest.Pool(master(t, "1.0", nil)))
	named.GUID, named.Label = partUUID, "the one"
	named.FSUUID, named.FSLabel = fsUUID, "fs-label"
	first := image.Partition{
		Type: image.TypeLinux, Label: "first", SizeMiB: 1,
		GUID: "99999999-2222-3333-4444-555555555555",
	}
	disks := []vm.Disk{
		disk(t, pool(guest.Pool(master(t, "2.0", nil)))),
		disk(t, image.Spec{SizeMiB: poolSize, Partitions: []image.Partition{first, named}}),
	}
	for i := range disks {
		disks[i].ReadOnly = true // so that several machines can have them
	}
	for _, root := range []string{
		"PARTUUID=" + partUUID,
		"PARTUUID=" + first.GUID + "/PARTNROFF=1",
		`"PARTLABEL=the one"`,
		"UUID=" + fsUUID,
		"LABEL=fs-label",
		"/dev/vdb2",
		"/dev/disk/by-uuid/" + fsUUID,
	} {
		t.Run(root, func(t *testing.T) {
			t.Parallel()
			r := newMachine(t, disks...).boot("volatile=yes root=" + root)
			got := []string{r.boot.Usr, r.boot.Pool.Device}
			if diff := cmp.Diff([]string{usr + "1.0", "/dev/vdb2"}, got); diff != "" {
				t.Errorf("booted (-want +got):\n%s", diff)
			}
		})
	}
}

// TestIntegrationWholeDisk boots from a disk that is one btrfs, without partitions.
func TestIntegrationWholeDisk(t *testing.T) {
	t.Parallel()
	d := disk(t, pool(guest.Pool(master(t, "1.0", nil))))
	whole := blank(t)
	if err := cut(whole.Path, d.Path, 1<<20, (poolSize-2)<<20); err != nil {
		t.Fatal(err)
	}
	r := newMachine(t, whole).boot("root=/dev/vda")
	if diff := cmp.Diff("/dev/vda", r.boot.Pool.Device); diff != "" {
		t.Errorf("the pool (-want +got):\n%s", diff)
	}
}

// cut copies a range of src to dst.
func cut(dst, src string, offset, size int64) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	data := make([]byte, size)
	if _, err := in.ReadAt(data, offset); err != nil {
		return err
	}
	return os.WriteFile(dst, data, 0o600)
}

// TestIntegrationTypes finds a pool in partitions of other types, and takes the better
// of two.
func TestIntegrationTypes(t *testing.T) {
	typed := func(typ, label, version string) image.Partition {
		p := image.Pool(guest.Pool(master(t, version, nil)))
		p.Type, p.Label, p.SizeMiB = typ, label, 160
		return p
	}
	for _, test := range []struct {
		name, want string
		partitions []image.Partition
	}{
		{"usr", "1.0", []image.Partition{typed(image.TypeUsrX86_64, "", "1.0")}},
		{"generic", "1.0", []image.Partition{typed(image.TypeLinux, "", "1.0")}},
		{"the better type", "1.0", []image.Partition{
			typed(image.TypeLinux, "", "2.0"), typed(image.TypeRootX86_64, "", "1.0"),
		}},
		{"the label", "1.0", []image.Partition{
			typed(image.TypeRootX86_64, "", "2.0"), typed(image.TypeLinux, "freshroot", "1.0"),
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			spec := image.Spec{SizeMiB: 360, Partitions: test.partitions}
			r := newMachine(t, disk(t, spec)).boot("volatile=yes")
			if diff := cmp.Diff(usr+test.want, r.boot.Usr); diff != "" {
				t.Errorf("booted (-want +got):\n%s", diff)
			}
		})
	}
}

// TestIntegrationLateDisk plugs the disk in when the init waits for it.
func TestIntegrationLateDisk(t *testing.T) {
	t.Parallel()
	late := disk(t, pool(guest.Pool(master(t, "1.0", nil))))
	m := newMachine(t, blank(t))
	m.Hotplug = 1
	s := m.start("volatile=yes freshroot.timeout=120")
	s.expect("freshroot: waiting for a disk with a pool: .* seen so far: vda")
	if err := s.vm.AddDisk(s.ctx, late); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("/dev/vdb1", s.report().boot.Pool.Device); diff != "" {
		t.Errorf("the pool (-want +got):\n%s", diff)
	}
}
