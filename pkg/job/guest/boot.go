package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/archive"
	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/kmod"
)

// Boot makes of an initramfs that package archive has built a system to serve in: /proc,
// /sys, /dev and /tmp are there, and all modules are loaded. It is for PID 1.
func Boot() error {
	for _, m := range []struct{ dir, kind string }{
		{"/proc", "proc"}, {"/sys", "sysfs"}, {"/dev", "devtmpfs"}, {"/tmp", "tmpfs"},
	} {
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return err
		}
		err := unix.Mount(m.kind, m.dir, m.kind, 0, "")
		// The kernel may have mounted /dev by itself (CONFIG_DEVTMPFS_MOUNT).
		if err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	return loadModules()
}

// loadModules loads all there are: the machine was made for them, or they for it.
func loadModules() error {
	text, err := os.ReadFile("/" + archive.TableFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // all is in the kernel
	} else if err != nil {
		return err
	}
	table, err := kmod.ParseTable(text)
	if err != nil {
		return err
	}
	loaded := map[string]bool{}
	for _, name := range table.Names() {
		for _, needed := range table.Order(name) {
			if loaded[needed] {
				continue
			}
			loaded[needed] = true
			// What is missed for it will say so: some are for other CPUs.
			_ = device.LoadModule("/"+archive.ModulesDir+"/"+needed+".ko", "")
		}
	}
	return nil
}

// PowerOff ends the machine.
func PowerOff() error {
	unix.Sync()
	return unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}
