package mount

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/rootfs"
)

// Nowhere mounts a file system, but at no place, and returns its top: only who has the
// descriptor sees it, and nothing is left when the program ends in any way. Options are
// "key=value" or "flag", as the file system has them, and "ro". It needs Linux 5.6.
func Nowhere(fstype, device string, options ...string) (*os.File, error) {
	fd, err := mountNowhere(fstype, device, options)
	if err != nil {
		data := strings.Join(options, ",")
		return nil, &Error{
			Op: "mount " + fstype, Source: device, Target: "no directory", Data: data, Err: err,
		}
	}
	mounted := os.NewFile(uintptr(fd), device)
	defer mounted.Close()
	return rootfs.OpenDir(mounted, ".") // the other one can neither be listed nor synced
}

func mountNowhere(fstype, device string, options []string) (int, error) {
	fs, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("open file system %s: %w", fstype, err)
	}
	defer unix.Close(fs)
	err = unix.FsconfigSetString(fs, "source", device)
	for _, option := range options {
		if key, value, ok := strings.Cut(option, "="); ok {
			err = errors.Join(err, unix.FsconfigSetString(fs, key, value))
		} else {
			err = errors.Join(err, unix.FsconfigSetFlag(fs, option))
		}
	}
	if err == nil {
		err = unix.FsconfigCreate(fs)
	}
	if err != nil {
		return -1, err
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
}
