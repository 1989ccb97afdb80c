package device

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf16"

	"golang.org/x/sys/unix"
)

// bootPartition is the variable in which boot loaders leave the PARTUUID of the
// partition that they came from (systemd, Boot Loader Interface).
const bootPartition = "LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

// BootPartition returns the PARTUUID of the partition that the boot loader came
// from, in lower case, or "" if it did not say. efivars is the directory of the
// firmware's variables, /sys/firmware/efi/efivars.
func BootPartition(efivars string) (string, error) {
	const longest = 256
	raw, err := ReadVariable(efivars, bootPartition, longest)
	return strings.ToLower(parseText(raw)), err
}

// immutable is FS_IMMUTABLE_FL of linux/fs.h.
const immutable = 0x10

// ReadVariable reads a variable of the firmware, attributes and all, nil if there is
// none. What is longer comes one byte longer than it may be.
func ReadVariable(efivars, name string, longest int64) ([]byte, error) {
	f, err := os.Open(efivars + "/" + name)
	if os.IsNotExist(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, longest+1))
	if err != nil {
		return nil, fmt.Errorf("read EFI variable %s: %w", name, err)
	}
	return raw, nil
}

// DeleteVariable deletes a variable of the firmware, if there is one. efivars has to be
// mounted writable.
func DeleteVariable(efivars, name string) error {
	path := efivars + "/" + name
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil
	} else if err != nil {
		return err
	}
	defer f.Close()
	unprotect(f)
	return os.Remove(path)
}

// unprotect lifts the protection that the kernel gives to all variables that it does not
// know, against "rm -r". If it cannot be lifted, what follows says so.
func unprotect(variable *os.File) {
	fd := int(variable.Fd())
	if flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS); err == nil {
		_ = unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags&^immutable))
	}
}

// WriteVariable writes a variable of the firmware, with its attributes in front of it. The
// firmware takes all of it or nothing. efivars has to be mounted writable.
func WriteVariable(efivars, name string, attributes uint32, value []byte) error {
	path := efivars + "/" + name
	if old, err := os.Open(path); err == nil {
		unprotect(old)
		old.Close()
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("write EFI variable: %w", err)
	}
	// The kernel calls the firmware with what one call writes.
	_, err = f.Write(append(binary.LittleEndian.AppendUint32(nil, attributes), value...))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write EFI variable: %w", err)
	}
	return nil
}

// parseText decodes a variable: four bytes of attributes, and UTF-16.
func parseText(raw []byte) string {
	var units []uint16
	for i := 4; i+1 < len(raw); i += 2 {
		units = append(units, binary.LittleEndian.Uint16(raw[i:]))
	}
	return strings.TrimRight(string(utf16.Decode(units)), "\x00")
}

// bootCount is the variable by which systemd-boot says that it counts the tries of
// the entry that it booted: its path, with what is left after this try (systemd, Boot
// Loader Interface).
const bootCount = "LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

// LoaderCounts says whether the boot loader counts the tries of what it booted.
// efivars is as for BootPartition.
func LoaderCounts(efivars string) bool {
	_, err := os.Stat(efivars + "/" + bootCount)
	return err == nil
}

// CountedEntry returns the path of the entry whose try the boot loader has counted, from
// the top of its partition and with slashes; "" if it counts none. efivars is as for
// BootPartition.
func CountedEntry(efivars string) (string, error) {
	const longest = 4096
	raw, err := ReadVariable(efivars, bootCount, longest)
	return strings.TrimPrefix(strings.ReplaceAll(parseText(raw), `\`, "/"), "/"), err
}
