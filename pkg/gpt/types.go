package gpt

import (
	"maps"
	"slices"
)

// Partition types of the Discoverable Partitions Specification (UAPI.2).
const (
	LinuxGeneric = "0fc63daf-8483-4772-8e79-3d69d8477de4"
	ESP          = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
)

// GrowFS is the attribute bit that asks for a file system as large as there is room.
const GrowFS uint64 = 1 << 59

// NoAuto is the attribute bit that keeps a partition from being mounted by
// systemd's gpt-auto-generator.
const NoAuto uint64 = 1 << 63

// rootTypes are the types of root partitions by systemd's architecture names.
var rootTypes = map[string]string{
	"x86-64":  "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
	"x86":     "44479540-f297-41b2-9af7-d131d5f0458a",
	"arm64":   "b921b045-1df0-41c3-af44-4c6f280d3fae",
	"arm":     "69dad710-2ce4-4e3c-b16c-21a1d49abed3",
	"riscv64": "72ec70a6-cf74-40e6-bd49-4bda08e8f224",
}

// usrTypes are the types of /usr partitions.
var usrTypes = map[string]string{
	"x86-64":  "8484680c-9521-48c6-9c11-b0720656f69e",
	"x86":     "75250d76-8cc6-458e-bd66-bd47cc81a812",
	"arm64":   "b0e01050-ee5f-4390-949a-9101b17104e9",
	"arm":     "7d0359a3-02b3-4f0a-865c-654403e70625",
	"riscv64": "beaec34b-8442-439b-a40b-984381ed097d",
}

// Architectures returns systemd's names of those whose types are known here, sorted.
func Architectures() []string { return slices.Sorted(maps.Keys(rootTypes)) }

// RootType returns the type of the root partition of an architecture, or "" if
// the specification's type is not known here.
func RootType(arch string) string { return rootTypes[arch] }

// UsrType returns the type of the /usr partition of an architecture, or "".
func UsrType(arch string) string { return usrTypes[arch] }

// ArchOf returns the architecture of a type of root or /usr partitions, or "".
func ArchOf(typ string) string {
	for _, types := range []map[string]string{rootTypes, usrTypes} {
		for arch, guid := range types {
			if guid == typ {
				return arch
			}
		}
	}
	return ""
}

// TypeName returns words for a partition type, for messages: "root (x86-64)",
// or its GUID where there are none.
func TypeName(typ string) string {
	switch typ {
	case LinuxGeneric:
		return "Linux data"
	case ESP:
		return "EFI system"
	}
	switch arch := ArchOf(typ); {
	case arch == "":
		return typ
	case RootType(arch) == typ:
		return "root (" + arch + ")"
	default:
		return "usr (" + arch + ")"
	}
}
