package factory

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// CopyAttributes gives the directory dst what Copy leaves alone: the owner, mode,
// times and extended attributes of src.
func CopyAttributes(dst, src *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(src.Fd()), &st); err != nil {
		return fmt.Errorf("stat %s: %w", src.Name(), err)
	}
	to, from := handle{fd: int(dst.Fd())}, handle{fd: int(src.Fd())}
	have, err := to.perm()
	if err == nil {
		err = newCopier(nil).newWorker().setAttributes(to, from, &st, have)
	}
	runtime.KeepAlive(dst)
	runtime.KeepAlive(src)
	if err != nil {
		return fmt.Errorf("copy attributes of %s to %s: %w", src.Name(), dst.Name(), err)
	}
	return nil
}
