// Package image makes GPT disk images for virtual machines to boot from, looks into
// them afterwards, and damages them on purpose.
//
// It needs root: file systems are made and filled by the kernel, on loop devices.
// Neither loop devices nor mounts are left behind, also not when the program is
// interrupted: the kernel frees a loop device with its last user, and a mount that
// is in use when SIGINT or SIGTERM comes is detached first.
//
// It refuses to overwrite a file. FAT file systems are written by mtools, as not
// every kernel has a driver; such a partition can be mounted only where it has.
//
// For the table see the UEFI specification, chapter 5
// (https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html), for its
// type GUIDs and flags
// https://uapi-group.org/specifications/specs/discoverable_partitions_specification/.
package image
