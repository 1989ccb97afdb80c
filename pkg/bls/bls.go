// Package bls reads and writes what systemd-boot and other boot loaders of the Boot
// Loader Specification ([UAPI.1]) find on a partition: the names of entries with their
// boot counters ([automatic boot assessment]), entries of type 1, and loader.conf(5).
//
// It agrees with systemd-boot on the order of entries. Fields that it does not know are
// passed over, as the specification asks; what a boot loader would read as something
// else, such as a line break in a title, is never written.
//
// The package is pure: it knows names and text, not the partition.
//
// [UAPI.1]: https://uapi-group.org/specifications/specs/boot_loader_specification/
// [automatic boot assessment]: https://systemd.io/AUTOMATIC_BOOT_ASSESSMENT/
package bls

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/version"
)

// The directories of a boot partition that have entries, and their file names' ends.
const (
	EntriesDir = "loader/entries" // type 1: text
	UnifiedDir = "EFI/Linux"      // type 2: unified kernel images
	ConfSuffix = ".conf"
	EFISuffix  = ".efi"
)

// LoaderConf is the path of systemd-boot's own configuration, loader.conf(5).
const LoaderConf = "loader/loader.conf"

// Name is the file name of an entry: ID[+LEFT[-DONE]].conf, or .efi.
type Name struct {
	ID     string // without counter and suffix
	Tries  subvol.Tries
	Suffix string // ConfSuffix or EFISuffix
}

// ParseName reads the file name of an entry, without its directory.
func ParseName(file string) (Name, error) {
	n := Name{Suffix: ConfSuffix}
	stem, found := strings.CutSuffix(file, ConfSuffix)
	if !found {
		n.Suffix = EFISuffix
		stem, found = strings.CutSuffix(file, EFISuffix)
	}
	if !found {
		return Name{}, fmt.Errorf("entry %.64q: the name ends in neither .conf nor .efi", file)
	}
	var err error
	if n.ID, n.Tries, err = subvol.SplitTries(stem); err != nil {
		return Name{}, fmt.Errorf("entry %.64q: %w", file, err)
	}
	if !valid(n.ID) {
		return Name{}, fmt.Errorf(
			"entry %.64q: only A-Z a-z 0-9 + - _ and . may be in the name of one", file)
	}
	return n, nil
}

// String returns the file name.
func (n Name) String() string { return n.ID + n.Tries.String() + n.Suffix }

// valid accepts what bootctl does (systemd src/shared/efi-loader.c,
// efi_loader_entry_name_valid).
func valid(id string) bool {
	return id != "" && strings.Trim(id, letters+"+-_.") == ""
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// Safe spells a vendor or a version so that it can be part of an entry's name and of a
// path on a FAT: other characters than A-Z a-z 0-9 - . become their hexadecimal
// code behind '_', and so do dots at the ends, which FAT drops or which lead up.
// Different strings stay different, but for their case, which FAT does not tell apart.
func Safe(s string) string {
	var b strings.Builder
	for i := range len(s) {
		end := i == 0 || i == len(s)-1
		if strings.IndexByte(letters+"-.", s[i]) < 0 || s[i] == '.' && end {
			fmt.Fprintf(&b, "_%02x", s[i])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// Arch returns EFI's name of an architecture, as boot loaders and their files have it
// ("BOOTX64.EFI" in lower case), or "" if EFI has none for it. arch is systemd's name.
func Arch(arch string) string {
	return map[string]string{
		"x86-64": "x64", "x86": "ia32", "arm64": "aa64", "arm": "arm",
		"riscv64": "riscv64", "loongarch64": "loongarch64",
	}[arch]
}

// Compare orders entries as systemd-boot's menu does, of which it boots the first one
// that has tries left (systemd src/boot/efi/boot.c, config_entry_compare): those
// without tries last, then by sort key, the newest version first.
func Compare(a, b Named) int {
	if order := cmp.Or(
		falseFirst(a.Name.Tries.Bad(), b.Name.Tries.Bad()),
		falseFirst(a.SortKey == "", b.SortKey == ""),
	); order != 0 {
		return order
	}
	if a.SortKey != "" {
		if order := cmp.Or(
			strings.Compare(a.SortKey, b.SortKey),
			strings.Compare(a.MachineID, b.MachineID),
			version.Compare(b.Version, a.Version),
		); order != 0 {
			return order
		}
	}
	order := version.Compare(b.Name.ID, a.Name.ID)
	if order != 0 || !a.Name.Tries.Counted || !b.Name.Tries.Counted {
		return order
	}
	return cmp.Or(
		cmp.Compare(b.Name.Tries.Left, a.Name.Tries.Left),
		cmp.Compare(a.Name.Tries.Done, b.Name.Tries.Done),
	)
}

func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
