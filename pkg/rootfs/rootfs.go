// Package rootfs makes what a root directory holds besides /usr.
//
// The links and directories are those of systemd's base_filesystem_create
// (src/shared/base-filesystem.c), and the ones that the Filesystem Hierarchy
// Standard adds. What exists is left as it is, whatever it is. The caller's umask
// must be 0 and it must be able to write to the root.
package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

// directories of a root, with their modes.
var directories = []struct {
	name string
	mode fs.FileMode
}{
	{"usr", 0o755}, {"etc", 0o755}, {"var", 0o755},
	{"proc", 0o555}, {"sys", 0o555}, {"dev", 0o555}, {"run", 0o555},
	{"home", 0o755}, {"root", 0o700}, {"srv", 0o755}, {"opt", 0o755}, {"mnt", 0o755},
	{"tmp", 0o777 | fs.ModeSticky},
}

// merged are the directories that are links into /usr on a usr-merged system,
// where /usr has them. lib64 follows a rule of its own.
var merged = []string{"bin", "sbin", "lib", "lib32", "libx32"}

// loaders are the dynamic loaders that programs expect below /lib64, by Go's
// names of architectures.
var loaders = map[string]string{
	"amd64":   "ld-linux-x86-64.so.2",
	"386":     "ld-linux-x86-64.so.2",
	"arm64":   "ld-linux-aarch64.so.1",
	"riscv64": "ld-linux-riscv64-lp64d.so.1",
	"ppc64le": "ld64.so.2",
	"s390x":   "ld-lsb-s390x.so.3",
	"loong64": "ld-linux-loongarch-lp64d.so.1",
}

// Reserved says whether a name at the top of a root belongs to the OS or to the
// kernel, so that nothing may be put there from a factory.
func Reserved(name string) bool {
	return slices.Contains([]string{"usr", "proc", "sys", "dev", "run"}, name)
}

// Complete makes the directories and links that root lacks. /usr has to be there
// for the links to be made.
func Complete(root *os.File) error {
	if err := MakeDirectories(root); err != nil {
		return err
	}
	for _, name := range merged {
		if exists(root, "usr/"+name) {
			if err := link(root, name, "usr/"+name); err != nil {
				return err
			}
		}
	}
	for _, dir := range []string{"usr/lib64", "usr/lib"} {
		if loader := loaders[runtime.GOARCH]; loader != "" && exists(root, dir+"/"+loader) {
			return link(root, "lib64", dir)
		}
	}
	return nil
}

// MakeDirectories makes the directories that root lacks.
func MakeDirectories(root *os.File) error {
	for _, d := range directories {
		mode := uint32(d.mode.Perm())
		if d.mode&fs.ModeSticky != 0 {
			mode |= unix.S_ISVTX
		}
		err := unix.Mkdirat(int(root.Fd()), d.name, mode)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make directory %s/%s: %w", root.Name(), d.name, err)
		}
	}
	return nil
}

// OpenDir opens a directory beneath another one, and follows no symbolic link on
// the way: the tree is not trusted.
func OpenDir(dir *os.File, name string) (*os.File, error) {
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	}
	full := path.Join(dir.Name(), name)
	fd, err := unix.Openat2(int(dir.Fd()), name, &how)
	if err != nil {
		return nil, fmt.Errorf("open directory %q: %w", full, err)
	}
	return os.NewFile(uintptr(fd), full), nil
}

// exists resolves a path beneath root: its links cannot lead out.
func exists(root *os.File, path string) bool {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT}
	fd, err := unix.Openat2(int(root.Fd()), path, &how)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

func link(root *os.File, name, target string) error {
	err := unix.Symlinkat(target, int(root.Fd()), name)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("link %s/%s to %s: %w", root.Name(), name, target, err)
	}
	return nil
}
