package apply

import (
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/specifier"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/words"
)

// release are the specifiers that os-release(5) has the values of.
var release = map[byte]string{
	'A': "IMAGE_VERSION", 'B': "BUILD_ID", 'M': "IMAGE_ID",
	'o': "ID", 'w': "VERSION_ID", 'W': "VARIANT_ID",
}

// Specifiers returns the values of the specifiers that sysusers.d(5) knows. What is on
// the disk comes from the root, what the kernel knows from the running system.
func Specifiers(root *os.File) specifier.Lookup {
	fsys := rootfs.FS(root)
	// Nothing is read before it is asked for: most configuration has no specifiers.
	return func(letter byte) (string, error) {
		// Configuration is written for the OS in the root, not for the running one.
		if key, ok := release[letter]; ok {
			return osRelease(fsys, key)
		}
		switch letter {
		case 'a':
			return subvol.HostArch(), nil
		case 'b':
			return id("/proc/sys/kernel/random/boot_id", os.ReadFile)
		case 'm':
			return id("etc/machine-id", func(name string) ([]byte, error) {
				return fs.ReadFile(fsys, name)
			})
		case 'q':
			return prettyHostname()
		// TMPDIR is of no concern to what is written for each boot.
		case 'T':
			return "/tmp", nil
		case 'V':
			return "/var/tmp", nil
		default:
			return kernel(letter)
		}
	}
}

// kernel returns what uname(2) says.
func kernel(letter byte) (string, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "", fmt.Errorf("ask the kernel for its name: %w", err)
	}
	host := unix.ByteSliceToString(name.Nodename[:])
	// A host name may have a domain.
	switch letter {
	case 'H':
		return host, nil
	case 'l':
		short, _, _ := strings.Cut(host, ".")
		return short, nil
	case 'v':
		return unix.ByteSliceToString(name.Release[:]), nil
	default:
		return "", specifier.ErrUnknown
	}
}

// id reads an id of 32 hexadecimal digits, which may have dashes in it.
func id(name string, read func(string) ([]byte, error)) (string, error) {
	// An image has no machine id yet, or the word "uninitialized".
	text, err := read(name)
	if err != nil {
		return "", fmt.Errorf("%w: %w", specifier.ErrUnresolved, err)
	}
	id := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(string(text)), "-", ""))
	// A name of a file with part of an id in it would be worse than no file.
	if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%s: %w", name, specifier.ErrUnresolved)
	}
	return id, nil
}

// prettyHostname is that of the running system, whichever root is looked at.
func prettyHostname() (string, error) {
	text, err := os.ReadFile("/etc/machine-info")
	// Where nobody gave the machine a name for people, it has the usual one.
	if err == nil {
		if name := words.Assignment(string(text), "PRETTY_HOSTNAME"); name != "" {
			return name, nil
		}
	}
	return kernel('l')
}

// osRelease returns a value of os-release. One that is not set is empty.
func osRelease(fsys fs.FS, key string) (string, error) {
	text, err := fs.ReadFile(fsys, "etc/os-release")
	if err != nil {
		// /etc has a link to it, unless it is empty.
		text, err = fs.ReadFile(fsys, "usr/lib/os-release")
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", specifier.ErrUnresolved, err)
	}
	// os-release need not have all keys.
	return words.Assignment(string(text), key), nil
}
