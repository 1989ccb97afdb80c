// Package units writes numbers for people, one way everywhere.
//
// Sizes are in the binary units of IEC 80000-13, as the tools of btrfs and the kernel
// have them. It is pure, and small enough for the init.
package units

import "fmt"

// names are those of the powers of 1024, as far as 64 bits go.
var names = []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}

// Bytes is a number of bytes for people: "512 bytes", "1.5 KiB", "64 MiB". Two digits are
// enough to decide by; more are cut off, so that what is free is never overstated.
func Bytes[N int64 | uint64](bytes N) string {
	if bytes < 1<<10 {
		return fmt.Sprintf("%d bytes", bytes)
	}
	unit := 0
	for bytes >= 1<<20 {
		bytes >>= 10
		unit++
	}
	if whole := bytes >> 10; whole >= 10 {
		return fmt.Sprintf("%d %s", whole, names[unit])
	}
	tenths := bytes * 10 >> 10
	return fmt.Sprintf("%d.%d %s", tenths/10, tenths%10, names[unit])
}
