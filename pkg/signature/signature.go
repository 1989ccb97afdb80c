// Package signature recognises what a disk, a partition or an image of one holds.
//
// It looks for the magic numbers of file systems, swap space, encryption, volume
// managers and partition tables where their formats have them, as wipefs(8) does; it
// judges nothing else of them, and reads at most a few bytes of each. What it does not
// know it does not see: that nothing is found is no proof that there is nothing. The
// package is pure.
package signature

import "io"

// magic is bytes that stand at an offset from the start.
type magic struct {
	name   string
	offset int64
	bytes  string
}

// magics are in the order in which they are told. A FAT has the end of an MBR, and so
// has a boot loader in front of any file system: an MBR is told by its partitions.
var magics = []magic{
	{"GPT", 512, "EFI PART"},
	{"GPT", 4096, "EFI PART"},
	{"btrfs", 64<<10 + 64, "_BHRfS_M"},
	{"ext4", 1080, "\x53\xef"}, // and ext2, ext3
	{"xfs", 0, "XFSB"},
	{"f2fs", 1024, "\x10\x20\xf5\xf2"},
	{"vfat", 82, "FAT32   "},
	{"vfat", 54, "FAT16   "},
	{"vfat", 54, "FAT12   "},
	{"exfat", 3, "EXFAT   "},
	{"ntfs", 3, "NTFS    "},
	{"iso9660", 32<<10 + 1, "CD001"},
	{"squashfs", 0, "hsqs"},
	{"erofs", 1024, "\xe2\xe1\xf5\xe0"},
	{"LUKS", 0, "LUKS\xba\xbe"},
	{"LVM", 512, "LABELONE"},
	{"RAID", 0, "\xfc\x4e\x2b\xa9"},    // md, version 1.1
	{"RAID", 4096, "\xfc\x4e\x2b\xa9"}, // and 1.2
	// The signature of swap space is at the end of a page, whose size is the machine's.
	{"swap", 4<<10 - 10, "SWAPSPACE2"},
	{"swap", 16<<10 - 10, "SWAPSPACE2"},
	{"swap", 64<<10 - 10, "SWAPSPACE2"},
}

// imageMagics begin the files in which a virtual machine's disk is stored in another way
// than byte for byte.
var imageMagics = []magic{
	{"qcow2", 0, "QFI\xfb"},
	{"vmdk", 0, "KDMV"},
	{"vmdk", 0, "# Disk DescriptorFile"},
	{"vhdx", 0, "vhdxfile"},
}

// ImageFormat returns qemu-img's name of the format that a disk image is in: "qcow2",
// "vmdk" or "vhdx", and "raw" for all else, which is what a disk has.
func ImageFormat(r io.ReaderAt) string {
	for _, m := range imageMagics {
		if m.in(r) {
			return m.name
		}
	}
	return "raw"
}

// in says whether it is where it has to be.
func (m magic) in(r io.ReaderAt) bool {
	raw := make([]byte, len(m.bytes))
	n, _ := r.ReadAt(raw, m.offset)
	return n == len(raw) && string(raw) == m.bytes
}

// Find returns the names of what is found, each once: "btrfs", "GPT". A device that
// cannot be read has nothing.
func Find(r io.ReaderAt) (names []string) {
	seen := map[string]bool{}
	for _, m := range magics {
		if !seen[m.name] && m.in(r) {
			seen[m.name] = true
			names = append(names, m.name)
		}
	}
	if !seen["GPT"] && hasMBR(r) {
		names = append(names, "MBR")
	}
	return names
}

// hasMBR says whether the first sector has a partition, with a flag that is 0 or 0x80
// and a type and a size that are not zero.
func hasMBR(r io.ReaderAt) bool {
	const first, entry, end = 446, 16, 510
	var sector [512]byte
	if n, _ := r.ReadAt(sector[:], 0); n < len(sector) || sector[510] != 0x55 || sector[511] != 0xaa {
		return false
	}
	used := false
	for at := first; at < end; at += entry {
		e := sector[at:][:entry]
		if e[0]&0x7f != 0 {
			return false
		}
		used = used || e[4] != 0 && (e[12]|e[13]|e[14]|e[15]) != 0
	}
	return used
}
