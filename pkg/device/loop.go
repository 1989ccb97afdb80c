package device

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Range is the part of a file that becomes a block device.
type Range struct {
	Offset, Size int64 // bytes
	SectorSize   int   // 512 if zero, or 4096
	Writable     bool
}

// attachTries bounds how often the race for a free loop device may be lost.
const attachTries = 100

// AttachLoop makes a range of a file a block device, and returns it open. The kernel
// detaches it once it is closed and not mounted. It needs Linux 5.8.
func AttachLoop(f *os.File, r Range) (*os.File, error) {
	config := unix.LoopConfig{Fd: uint32(f.Fd()), Size: uint32(r.SectorSize)}
	config.Info.Offset, config.Info.Sizelimit = uint64(r.Offset), uint64(r.Size)
	config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
	mode := os.O_RDWR
	if !r.Writable {
		config.Info.Flags |= unix.LO_FLAGS_READ_ONLY
		mode = os.O_RDONLY
	}
	for range attachTries {
		loop, err := attachFree(&config, mode)
		if err == nil {
			return loop, nil
		} else if !errors.Is(err, unix.EBUSY) {
			return nil, fmt.Errorf("attach %s to a loop device: %w", f.Name(), err)
		}
	}
	return nil, fmt.Errorf("attach %s to a loop device: others take every free one", f.Name())
}

// attachFree tries the loop device that is free at this moment; EBUSY says that it no
// longer was.
func attachFree(config *unix.LoopConfig, mode int) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return nil, fmt.Errorf("find a free one: %w", err)
	}
	loop, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", number), mode, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.IoctlLoopConfigure(int(loop.Fd()), config); err != nil {
		loop.Close()
		return nil, fmt.Errorf("%s: %w", loop.Name(), err)
	}
	return loop, nil
}

// detachTries and detachPause bound the wait for others who look at a device.
const (
	detachTries = 200
	detachPause = 10 * time.Millisecond
)

// DetachLoop closes a loop device and waits until it is gone, for two seconds at most:
// udev and blkid open any new device to look what is on it, and as long as they do, it
// and its file system are there for all.
func DetachLoop(loop *os.File) error {
	backing := fmt.Sprintf("/sys/block/%s/loop/backing_file", filepath.Base(loop.Name()))
	if err := loop.Close(); err != nil {
		return err
	}
	for range detachTries {
		if _, err := os.Stat(backing); err != nil {
			return nil
		}
		time.Sleep(detachPause)
	}
	return nil
}
