// Package dist has the units for systemd and the script for other inits, which belong
// into an OS beside the tool.
package dist

import "embed"

// Systemd has the units, below systemd/.
//
//go:embed systemd
var Systemd embed.FS

// Sysv is a script in the style of sysvinit that blesses a version; OpenRC runs it too.
//
//go:embed sysv/freshroot-bless
var Sysv []byte
