package device

import (
	"errors"
	"fmt"
	"os"

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
	err = unix.FinitModule(int(f.Fd()), params, 0)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("load module %s: %w", path, err)
	}
	return nil
}
