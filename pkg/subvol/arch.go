package subvol

import "runtime"

// archNames maps the spellings of uname(2), Debian and Go to systemd's names
// (systemd src/basic/architecture.c).
var archNames = map[string]string{
	"x86_64": "x86-64", "amd64": "x86-64",
	"386": "x86", "i386": "x86", "i486": "x86", "i586": "x86", "i686": "x86",
	"aarch64": "arm64",
	"armhf":   "arm", "armv6l": "arm", "armv7l": "arm",
	"ppc64le": "ppc64-le", "ppc64el": "ppc64-le", "powerpc64le": "ppc64-le",
	"loong64": "loongarch64",
}

// CanonicalArch returns systemd's name of an architecture. A name that is not
// known is returned as it is.
func CanonicalArch(name string) string {
	if canonical, ok := archNames[name]; ok {
		return canonical
	}
	return name
}

// HostArch is the architecture that this program was built for.
func HostArch() string { return CanonicalArch(runtime.GOARCH) }
