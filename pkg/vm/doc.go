// Package vm boots virtual machines under QEMU and talks to their serial
// console, and over ports to programs in the guest.
//
// A machine is a q35 with a kernel given by path (or UEFI firmware), a serial
// console, and as many disks as asked for, each behind its own controller. It
// has nothing else: no network, no display, no shared folders.
//
// The package emulates (TCG) unless KVM was seen to work: a /dev/kvm that can be
// opened may still hang at the first guest, so it is tried with a short boot.
// FRESHROOT_KVM=1 skips that trial and uses KVM, FRESHROOT_KVM=0 skips it and
// emulates. Emulated, a kernel is unpacked before the machine starts, where it can be
// booted so (PVH).
//
// No privileges are needed beyond those to open the disks. A machine never
// outlives the process that started it, nor the context it was started with.
//
// See https://www.qemu.org/docs/master/system/invocation.html for the options,
// https://www.qemu.org/docs/master/interop/qmp-spec.html for the monitor.
package vm
