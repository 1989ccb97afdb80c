// Package mount mounts file systems and switches to a new root.
//
// The functions are thin: they add to the system calls of Linux what their errors
// lack, namely what was mounted where and how. All need CAP_SYS_ADMIN and act on
// the mount namespace of the caller. Paths are resolved as the kernel does; a
// caller that does not trust a tree checks its targets with Dir first.
package mount

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Error is a failed mount or unmount.
type Error struct {
	Op     string // "mount btrfs", "bind", "unmount"
	Source string
	Target string
	Data   string
	Flags  uintptr
	Err    error
}

// Error returns "op source on target (options): cause".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Source != "" {
		fmt.Fprintf(&b, " %s on", e.Source)
	}
	b.WriteString(" " + e.Target)
	if options := e.options(); options != "" {
		fmt.Fprintf(&b, " (%s)", options)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	return b.String()
}

func (e *Error) options() string {
	var options []string
	if e.Data != "" {
		options = append(options, e.Data)
	}
	if e.Flags&unix.MS_RDONLY != 0 {
		options = append(options, "ro")
	}
	return strings.Join(options, ", ")
}

// Unwrap returns the cause, a unix.Errno.
func (e *Error) Unwrap() error { return e.Err }

// Mount mounts a file system; flags are MS_* of mount(2).
func Mount(source, target, fstype string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, fstype, flags, data); err != nil {
		return &Error{"mount " + fstype, source, target, data, flags, err}
	}
	return nil
}

// Bind shows a directory of a mounted file system at another place; flags such as
// MS_RDONLY and MS_NOATIME hold for the new place only.
func Bind(source, target string, flags uintptr) error {
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return &Error{"bind", source, target, "", flags, err}
	}
	// The kernel ignores the other flags when it makes a bind mount.
	if flags == 0 {
		return nil
	}
	return Reflag(target, flags)
}

// Reflag replaces the flags of the mount at target, not those of its file system.
func Reflag(target string, flags uintptr) error {
	err := unix.Mount("", target, "", unix.MS_REMOUNT|unix.MS_BIND|flags, "")
	if err != nil {
		return &Error{"remount", "", target, "", flags, err}
	}
	return nil
}

// Remount changes the flags and options of the file system mounted at target.
func Remount(target string, flags uintptr, data string) error {
	if err := unix.Mount("", target, "", unix.MS_REMOUNT|flags, data); err != nil {
		return &Error{"remount", "", target, data, flags, err}
	}
	return nil
}

// Unmount detaches the mount at target; it goes when nothing uses it any more.
func Unmount(target string) error {
	if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
		return &Error{Op: "unmount", Target: target, Err: err}
	}
	return nil
}

// Dir makes sure that path is a directory itself, not a link to one, so that a
// mount on it cannot land elsewhere. What is missing is made with mode 0755.
func Dir(path string) error {
	if err := os.Mkdir(path, 0o755); !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("mount on %q: it is a %s, not a directory", path, kind(info.Mode()))
	}
	return nil
}

func kind(mode fs.FileMode) string {
	if mode&fs.ModeSymlink != 0 {
		return "symbolic link"
	}
	return "file"
}

// options maps the generic options of mount(8) to flags.
var options = map[string]uintptr{
	"ro": unix.MS_RDONLY, "rw": 0, "defaults": 0,
	"nodev": unix.MS_NODEV, "nosuid": unix.MS_NOSUID, "noexec": unix.MS_NOEXEC,
	"noatime": unix.MS_NOATIME, "nodiratime": unix.MS_NODIRATIME,
	"relatime": unix.MS_RELATIME, "strictatime": unix.MS_STRICTATIME,
	"sync": unix.MS_SYNCHRONOUS, "dirsync": unix.MS_DIRSYNC, "lazytime": unix.MS_LAZYTIME,
}

// ParseOptions splits options as in fstab(5) into flags and what is for the file
// system itself.
func ParseOptions(text string) (flags uintptr, data string) {
	var rest []string
	for _, option := range strings.Split(text, ",") {
		if flag, known := options[option]; known {
			flags |= flag
		} else if option != "" {
			rest = append(rest, option)
		}
	}
	return flags, strings.Join(rest, ",")
}
