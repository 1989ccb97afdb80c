package image

import "strconv"

// Subvolume makes an empty btrfs subvolume at path. This and the next ones go
// through btrfs-progs, so that tests do not judge freshroot's code by itself.
func Subvolume(path string) error {
	return run("btrfs", "subvolume", "create", path)
}

// Snapshot makes dst a writable snapshot of the subvolume src, which takes neither time
// nor room.
func Snapshot(dst, src string) error {
	return run("btrfs", "subvolume", "snapshot", src, dst)
}

// SetReadOnly sets or clears the read-only property of a subvolume.
func SetReadOnly(path string, ro bool) error {
	return run("btrfs", "property", "set", "-t", "subvol", path, "ro",
		strconv.FormatBool(ro))
}

// CopyTree copies what is in src into the directory dst, with owners, modes, times,
// extended attributes, hard links and holes.
func CopyTree(dst, src string) error {
	return run("cp", "-a", src+"/.", dst)
}
