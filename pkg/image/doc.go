// Package image makes disk images that boot, looks into them, and checks them.
//
// An image has a partition table, an EFI system partition and a pool. Fill puts an OS
// into a pool; Build does so in an image, and is the one that knows of partitions, loop
// devices and boot loaders.
//
//	source -> Fill -> usr:VENDOR:ARCH:VERSION  (and an instance, if asked for)
//
// It refuses sources that could not be booted, with a list of all that is wrong, and a
// file that exists. Nothing is ever half-written under a final name: an image has no
// name before it is complete, and neither mounts nor loop devices are left when the
// program ends in any way.
//
// It needs root, Linux 5.8, and mkfs.btrfs; qemu-img for other formats than raw. Machine
// does without root: it has the part that needs it done by Serve, in a virtual machine.
package image
