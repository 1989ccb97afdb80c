package device

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// InUseError is returned for a disk that somebody uses.
type InUseError struct {
	Disk  string   // path
	Users []string // "/dev/sdb1 is mounted on /mnt"; the kernel may know of others
}

// Error names the users.
func (e *InUseError) Error() string {
	if len(e.Users) == 0 {
		return e.Disk + " is in use"
	}
	return e.Disk + " is in use: " + strings.Join(e.Users, ", ")
}

// OpenExclusive opens a disk to be overwritten. It returns an *InUseError for one that is
// mounted, or of which a part is, that swap space is on, or that another device is made
// of. As long as it is open, the kernel lets nobody else mount it.
func OpenExclusive(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_EXCL, 0)
	switch {
	case errors.Is(err, unix.EBUSY):
		users, err := users(path)
		return nil, errors.Join(&InUseError{path, users}, err)
	case err != nil:
		return nil, err
	}
	if err := isWhole(f); err != nil {
		f.Close()
		return nil, err
	}
	// A loop device does not keep others off what it is made of.
	if users, err := users(path); err != nil || len(users) > 0 {
		f.Close()
		return nil, errors.Join(&InUseError{path, users}, err)
	}
	return f, nil
}

// isWhole refuses what is no disk: a file, or a partition.
func isWhole(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	const blockDevice = os.ModeDevice
	if info.Mode()&(os.ModeDevice|os.ModeCharDevice) != blockDevice {
		return fmt.Errorf("%s is no block device", f.Name())
	}
	if exists(sysfs + "/class/block/" + nameOf(f.Name()) + "/partition") {
		return fmt.Errorf("%s is a partition, not a disk", f.Name())
	}
	return nil
}

// nameOf is the kernel's name of a device whose node may have links to it.
func nameOf(path string) string {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	return filepath.Base(path)
}

// users says who uses a disk or a partition of it.
func users(path string) (list []string, err error) {
	disk := nameOf(path)
	names := []string{disk}
	below, err := filepath.Glob(sysfs + "/class/block/" + disk + "/*/partition")
	for _, partition := range below {
		names = append(names, filepath.Base(filepath.Dir(partition)))
	}
	mounts, mountsErr := os.ReadFile("/proc/self/mountinfo")
	swaps, swapsErr := os.ReadFile("/proc/swaps")
	if err := errors.Join(err, mountsErr, ignoreMissing(swapsErr)); err != nil {
		return nil, err
	}
	for _, name := range names {
		list = append(list, mountsOf(string(mounts), "/dev/"+name)...)
		list = append(list, swapsOf(string(swaps), "/dev/"+name)...)
		list = append(list, holdersOf(name)...)
	}
	return list, nil
}

// ignoreMissing is for a kernel without swap space.
func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// mountsOf finds a device in a mountinfo (proc_pid_mountinfo(5)): the mount point is the
// fifth field, the source the second one behind a dash.
func mountsOf(mountinfo, device string) (list []string) {
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		dash := slices.Index(fields, "-")
		if dash > 4 && len(fields) > dash+2 && fields[dash+2] == device {
			list = append(list, device+" is mounted on "+fields[4])
		}
	}
	return list
}

// swapsOf finds a device in /proc/swaps, where it is the first field.
func swapsOf(swaps, device string) (list []string) {
	for line := range strings.Lines(swaps) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[0] == device {
			list = append(list, device+" is swap space")
		}
	}
	return list
}

// holdersOf finds what is made of a device: of dm and md the kernel keeps a list.
func holdersOf(name string) (list []string) {
	holders, _ := readNames(sysfs + "/class/block/" + name + "/holders")
	loops, _ := filepath.Glob(sysfs + "/block/loop*/loop/backing_file")
	for _, file := range loops {
		backing, err := os.ReadFile(file)
		if err == nil && strings.TrimSpace(string(backing)) == "/dev/"+name {
			holders = append(holders, filepath.Base(filepath.Dir(filepath.Dir(file))))
		}
	}
	for _, holder := range holders {
		list = append(list, fmt.Sprintf("/dev/%s is a part of /dev/%s", name, holder))
	}
	return list
}
