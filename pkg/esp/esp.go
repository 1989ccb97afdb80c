// Package esp makes the EFI system partition, or what another boot loader reads, match
// the pool: a kernel, an initramfs and an entry for each golden master, which the entry
// pins.
//
//	freshroot/VENDOR/VERSION/linux, initrd
//	loader/entries/VENDOR-VERSION[+LEFT[-DONE]].conf    Entries
//	EFI/Linux/VENDOR_VERSION[+LEFT[-DONE]].efi          UKI
//	extlinux/extlinux.conf                              Extlinux
//	grub/grub.cfg                                       Grub
//	EFI/systemd/systemd-bootx64.efi, EFI/BOOT/BOOTX64.EFI, loader/loader.conf
//
// Look, Decide and Plan.Apply are the three steps: what is there, what to do, do it.
// Decide has no effects. Apply checks the free space before it changes anything; each
// file is written beside, synced and renamed, and exists before the entry that names
// it; of what goes, the entry goes first. Power may be cut at any time. What is not
// ours is never touched: an entry is ours if it pins a version by freshroot.usr=, and a
// menu if its first line says so.
//
// Apply needs a directory that it can write to, signing the program sbsign, MakeFAT
// mkfs.fat and mcopy. See also package bls for the specifications.
package esp

import (
	"bytes"
	"io"

	"github.com/freshroot/freshroot/pkg/subvol"
)

// Version is a golden master that the boot loader shall be able to boot.
type Version struct {
	Usr       subvol.Member
	Entry     string // its name in the pool, as it is spelled there; Decide does not need it
	Release   string // of the kernel, as uname -r has it
	Title     string // for the menu, as PRETTY_NAME of os-release(5)
	Kernel    File
	Initramfs File
	// Options are the kernel's, without the pin. If there are none, the version keeps
	// those that it has, or gets those of the booted one, or of the newest.
	Options string
}

// File is the content of a file to be written. The zero value stands for none.
type File struct {
	Size int64 // bytes
	Open func() (io.ReadCloser, error)
}

// Bytes makes a file of its content.
func Bytes(content []byte) File {
	return File{int64(len(content)), func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}}
}

// Style is how a boot loader is told what there is to boot.
type Style string

// The styles.
const (
	Entries  Style = "systemd-boot" // an entry of type 1 for each version
	UKI      Style = "uki"          // systemd-boot with a unified kernel image for each version
	Extlinux Style = "extlinux"     // a menu for U-Boot
	Grub     Style = "grub"         // a menu for GRUB
	None     Style = "none"         // only kernels and initramfs
)

// Config says how it shall be.
type Config struct {
	Arch  string // systemd's name: x86-64
	Style Style
	// Tries is how often systemd-boot tries a new entry until it is blessed, if the
	// version is not counted in the pool, whose counter is taken over otherwise. 0 if
	// it shall not count.
	Tries   int
	Timeout int     // seconds that a menu is shown; negative: as there, or 3
	Cluster int64   // bytes: the unit of space on the partition, as Cluster says; 4096 at least
	Loader  File    // systemd-boot; without, there must be one
	Stub    File    // systemd's stub, for UKI
	Sign    *Signer // nil: nothing is signed
	// Booted and Fallback are never removed, also if they are not wanted, and neither are
	// the others that are to be kept as they are.
	Booted, Fallback subvol.Member
	Keep             []subvol.Member
}

// Signer is what sbsign(1) signs EFI programs with, for Secure Boot.
type Signer struct{ Key, Cert string } // paths of PEM files
