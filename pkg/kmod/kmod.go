// Package kmod tells an initramfs which kernel modules to load, and in what order.
//
// The initramfs has no modprobe and none of depmod's indexes: they are megabytes,
// and all but a few lines of them are about modules that are not there. The builder
// (package depmod below this one) boils them down to one text, the [Table]. At boot
// it is parsed once; after that [Table.Lookup] turns the modalias of a device into
// module names, and [Table.Order] a module name into the files to load.
//
// The package is pure and light: it is linked into the init, so it does without fmt,
// regular expressions and decompressors. It never loads anything itself. A table is
// refused, as a whole, when it is too large, of another version or not sorted.
//
// # Format
//
// A table is lines of words, each word separated by one space:
//
//	freshroot-modules 1 6.1.0-56-amd64
//	btrfs ?crc32c_intel crc32c_generic libcrc32c xor
//	xor
//
//	@pci
//	nvme pci:v*d*sv*sd*bc01sc08i02*
//
// The first line has the version of the format and the kernel release. A line per
// module follows, sorted: its name and what has to be loaded around it, in order. A
// word without a mark is needed before the module, "?" marks what is wanted before it
// but may fail or miss, ">" what is wanted after it. An empty line ends the modules.
// The rest are aliases as in [modules.alias], a module and its patterns, in groups
// by the first three bytes of the pattern; "@" alone heads the patterns that start
// with fewer literal bytes.
//
// [modules.alias]: https://man7.org/linux/man-pages/man5/modules.dep.5.html
package kmod

import "strings"

const (
	magic = "freshroot-modules 1 "

	soft  = '?' // marks a prerequisite that may fail
	after = '>' // marks what follows the module
	head  = '@' // marks the start of a group of aliases

	// prefixLen is long enough to tell the buses apart, and short enough for the
	// shortest of them ("of:").
	prefixLen = 3

	// maxTable is far above the table of all modules of a distribution's kernel,
	// which is 1.5 MB.
	maxTable = 16 << 20
)

// Normalize returns the one spelling of a module or alias name: the kernel and
// modprobe take "-" and "_" for the same.
func Normalize(name string) string {
	return strings.ReplaceAll(name, "-", "_")
}

// NormalizePattern is [Normalize] for an alias pattern: inside brackets "-" is a
// range and stays.
func NormalizePattern(pattern string) string {
	open := strings.IndexByte(pattern, '[')
	if open < 0 {
		return Normalize(pattern)
	}
	length := strings.IndexByte(pattern[open:], ']')
	if length < 0 {
		return Normalize(pattern)
	}
	end := open + length + 1
	return Normalize(pattern[:open]) + pattern[open:end] + NormalizePattern(pattern[end:])
}

// prefix returns the literal bytes by which aliases are grouped, or "" if the
// pattern has too few of them to say.
func prefix(pattern string) string {
	if len(pattern) < prefixLen || strings.ContainsAny(pattern[:prefixLen], `*?[\`) {
		return ""
	}
	return pattern[:prefixLen]
}
