package device

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf16"
)

// bootPartition is the variable in which boot loaders leave the PARTUUID of the
// partition that they came from (systemd, Boot Loader Interface).
const bootPartition = "LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

// BootPartition returns the PARTUUID of the partition that the boot loader came
// from, in lower case, or "" if it did not say. efivars is the directory of the
// firmware's variables, /sys/firmware/efi/efivars.
func BootPartition(efivars string) (string, error) {
	f, err := os.Open(efivars + "/" + bootPartition)
	if os.IsNotExist(err) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	defer f.Close()
	const longest = 256
	raw, err := io.ReadAll(io.LimitReader(f, longest))
	if err != nil {
		return "", fmt.Errorf("read EFI variable %s: %w", bootPartition, err)
	}
	return parsePartUUID(raw), nil
}

// parsePartUUID decodes a variable: four bytes of attributes, and UTF-16.
func parsePartUUID(raw []byte) string {
	var units []uint16
	for i := 4; i+1 < len(raw); i += 2 {
		units = append(units, binary.LittleEndian.Uint16(raw[i:]))
	}
	return strings.ToLower(strings.TrimRight(string(utf16.Decode(units)), "\x00"))
}

// bootCount is the variable by which systemd-boot says that it counts the tries of
// the entry that it booted (systemd, Boot Loader Interface).
const bootCount = "LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

// LoaderCounts says whether the boot loader counts the tries of what it booted.
// efivars is as for BootPartition.
func LoaderCounts(efivars string) bool {
	_, err := os.Stat(efivars + "/" + bootCount)
	return err == nil
}
