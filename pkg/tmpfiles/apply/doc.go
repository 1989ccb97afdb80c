// Package apply does what tmpfiles.d lines say to the tree below a root directory.
//
// It makes what systemd-tmpfiles 257 makes, line by line and operation by operation;
// docs/tmpfiles.md lists where it differs, and why. A line that fails is reported with
// its file and number, and the others are applied.
//
// The tree is anybody's. Paths are walked a component at a time from the root's
// descriptor: a symbolic link, also an absolute one, leads to something below the root,
// whoever changes the tree meanwhile. Refused are paths that go from a directory of one
// user to what belongs to another, links that others put where anyone may write, and
// inodes with more names where the kernel does not protect these. Trees deeper than 500
// directories are not gone down.
//
// Apply needs root, Linux 5.8, /proc, and a umask of 0, as a line's mode is to be had as
// it is. It changes the umask for the moment in which a btrfs subvolume is made. It
// follows no name outside the root: users and groups are those of its own files.
//
// See tmpfiles.d(5), systemd-tmpfiles(8), openat2(2), statx(2) and acl(5).
package apply
