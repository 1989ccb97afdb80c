package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/freshroot/freshroot/pkg/device"
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

// portTime is how long a port may take that a machine is sure to have.
const portTime = 30 * time.Second

// WaitPort is FindPort for a machine that has the port: the kernel learns of it and of its
// name a while after the driver is loaded.
func WaitPort(name string) (string, error) {
	events, err := device.Listen()
	if err != nil {
		return "", err
	}
	defer events.Close()
	for {
		path, err := FindPort(name)
		if !errors.Is(err, fs.ErrNotExist) {
			return path, err
		}
		// Events that were lost may have been the port's: it is looked for again.
		_, ok, waitErr := events.Next(portTime)
		if waitErr != nil && !errors.Is(waitErr, device.ErrLost) {
			return "", waitErr
		} else if !ok && waitErr == nil {
			return "", err
		}
	}
}
