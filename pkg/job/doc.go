// Package job is what "freshroot ci run" and its guest say to each other.
//
// A [Job] is a command for a virtual machine. It gets there in one of two ways. A small one
// is a system credential of systemd (https://systemd.io/CREDENTIALS), named [Credential],
// which the firmware's tables carry as a string of SMBIOS type 11
// (https://systemd.io/VM_INTERFACE). Where nothing in the guest reads these, or the job is
// too large for the tables, it goes by the port.
//
// The port is a virtio-serial port named [Port], which carries frames in both directions:
//
//	kind    1 byte
//	length  4 bytes, the most significant first, at most MaxFrame
//	data    as many bytes
//
// The guest begins, with Hello if the job has reached it, else with Want, which is answered
// by Run. Then come Stdout and Stderr as the command writes them, and one Exit, or one Fail
// if something that is not the command's went wrong. Nothing follows.
//
//	guest  Hello "1"              | Want "1"
//	host                          | Run {"argv": [...]}
//	guest  Stdout, Stderr ...
//	guest  Exit "7"               | Fail "disk in0: ..."
//
// The package is pure. What comes from the other side is bounded before memory is taken.
package job
