// Package identity asks the hardware who the machine is, and tells the root and the
// kernel: /etc/machine-id and the hostname.
//
// It decides nothing: that is for the package machineid. What a root holds is read in
// small pieces, its links resolved within it; nothing is written through a link.
//
// It needs root: the product UUID is readable by root only, and sethostname(2) wants
// CAP_SYS_ADMIN.
package identity

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/cmdline"
	"github.com/freshroot/freshroot/pkg/machineid"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// Read gathers what root and sysfs, a directory such as /sys, know about the machine.
// What cannot be read is as if it were not there.
func Read(root, sysfs *os.File, params cmdline.Params) machineid.Facts {
	sys := rootfs.FS(sysfs)
	uuid := readStart(sys, "class/dmi/id/product_uuid")
	if uuid == "" {
		// Hypervisors without SMBIOS tell it here, as systemd knows, too.
		uuid = readStart(sys, "firmware/devicetree/base/vm,uuid")
	}
	return machineid.Facts{
		Cmdline:     params,
		Stored:      readStart(rootfs.FS(root), "etc/machine-id"),
		ProductUUID: uuid,
		Serial:      readStart(sys, "firmware/devicetree/base/serial-number"),
	}
}

// readStart returns what a file begins with: all that is of interest is short.
func readStart(fsys fs.FS, name string) string {
	f, err := fsys.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	buf := make([]byte, 256)
	n, err := io.ReadFull(f, buf)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return ""
	}
	return string(buf[:n])
}

// Write writes the id to the root's /etc/machine-id where the choice says so. It returns
// the id: a random one is drawn here.
//
// The file is written in place and not renamed, as it may be bound from the instance. It
// fits into one write; if power goes before, the next boot finds no id and makes one.
func Write(root *os.File, c machineid.Choice) (machineid.ID, error) {
	if !c.Write {
		return c.ID, nil
	}
	id := c.ID
	if c.Source == machineid.FromChance {
		if _, err := unix.Getrandom(id[:], 0); err != nil {
			return id, fmt.Errorf("make machine id: %w", err)
		}
		id = machineid.Version4(id)
	}
	f, err := openForWriting(root, "etc/machine-id")
	if err != nil {
		return id, err
	}
	_, err = f.WriteString(id.String() + "\n")
	if err = errors.Join(err, f.Chmod(0o444), f.Sync(), f.Close()); err != nil {
		return id, fmt.Errorf("write %q: %w", f.Name(), err)
	}
	return id, nil
}

// openForWriting opens a regular file, empties it, and makes it if it is missing.
func openForWriting(root *os.File, name string) (*os.File, error) {
	how := unix.OpenHow{
		Flags: unix.O_WRONLY | unix.O_CREAT | unix.O_CLOEXEC |
			unix.O_NONBLOCK | unix.O_NOCTTY, // or a FIFO would be waited for
		Mode:    0o444,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	}
	full := path.Join(root.Name(), name)
	fd, err := unix.Openat2(int(root.Fd()), name, &how)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", full, err)
	}
	f := os.NewFile(uintptr(fd), full)
	// What is no file cannot be emptied, and is refused here.
	if err := unix.Ftruncate(fd, 0); err != nil {
		f.Close()
		return nil, fmt.Errorf("empty %q: %w", full, err)
	}
	return f, nil
}

// Hostname returns what machineid.Hostname makes of the root's /etc/hostname.
func Hostname(root *os.File, params cmdline.Params) (name, warning string) {
	return machineid.Hostname(params, readStart(rootfs.FS(root), "etc/hostname"))
}

// SetHostname tells the kernel the name of the machine.
func SetHostname(name string) error {
	if err := unix.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("set hostname %q: %w", name, err)
	}
	return nil
}
