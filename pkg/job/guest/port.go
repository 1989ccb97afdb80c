package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// sysfs has a directory for each virtio-serial port, with a file of its name.
const sysfs = "/sys/class/virtio-ports"

// FindPort returns the path of the device of the virtio-serial port of a name, or
// fs.ErrNotExist. It does without the links that udev makes, as not all guests have it.
func FindPort(name string) (string, error) {
	ports, err := os.ReadDir(sysfs)
	if err != nil {
		return "", fmt.Errorf("find port %q: %w", name, err)
	}
	for _, port := range ports {
		text, err := os.ReadFile(filepath.Join(sysfs, port.Name(), "name"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // has no name
		} else if err != nil {
			return "", fmt.Errorf("find port %q: %w", name, err)
		}
		if strings.TrimSuffix(string(text), "\n") == name {
			return filepath.Join("/dev", port.Name()), nil
		}
	}
	return "", fmt.Errorf("find port %q: %w", name, fs.ErrNotExist)
}
