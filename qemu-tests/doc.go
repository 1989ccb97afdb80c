// Package qemutests boots freshroot in virtual machines: every mode, every failure
// that is promised a screen of its own, the ways to reach a disk, hostile pools, and
// two userlands, one with systemd and one without.
//
// It has no code but tests. They need root, QEMU and the tools that package guest
// names, and are left out with -short. Each has one machine at a time, so that
// go test runs as many machines as there are CPUs.
package qemutests
