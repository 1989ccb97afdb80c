package subvol

import "runtime"

// CanonicalArch returns systemd's name of an architecture (systemd
// src/basic/architecture.c) for a spelling of uname(2), Debian or Go. A name that is
// not known is returned as it is.
func CanonicalArch(name string) string {
	switch name {
	case "x86_64", "amd64":
		return "x86-64"
	case "386", "i386", "i486", "i586", "i686":
		return "x86"
	case "aarch64":
		return "arm64"
	case "armhf", "armv6l", "armv7l":
		return "arm"
	case "ppc64le", "ppc64el", "powerpc64le":
		return "ppc64-le"
	case "loong64":
		return "loongarch64"
	}
	return name
}

// HostArch is the architecture that this program was built for.
func HostArch() string { return CanonicalArch(runtime.GOARCH) }
