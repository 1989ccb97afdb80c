package device

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// LoadModule loads a kernel module from a file, with parameters as in
// modprobe.d(5). It is no error if the module is loaded.
func LoadModule(path, params string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if errno := finitModule(f, params); errno != 0 && errno != unix.EEXIST {
		return fmt.Errorf("load module %s: %w", path, errno)
	}
	return nil
}

// finitModule calls the kernel without telling Go's scheduler, which would wake up
// for milliseconds after each call this long: on one emulated CPU that is a tenth
// of the time that modules take.
func finitModule(f *os.File, params string) unix.Errno {
	text, err := unix.BytePtrFromString(params)
	if err != nil {
		return unix.EINVAL
	}
	_, _, errno := unix.RawSyscall(unix.SYS_FINIT_MODULE, f.Fd(), uintptr(unsafe.Pointer(text)), 0)
	return errno
}
