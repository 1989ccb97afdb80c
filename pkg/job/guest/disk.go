package guest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/freshroot/freshroot/pkg/job"
	"github.com/freshroot/freshroot/pkg/job/parcel"
)

// sysBlock has a directory for each disk; those of virtio have a file with the serial.
const sysBlock = "/sys/block"

// DiskPath returns the path of the device of the disk with a serial, or fs.ErrNotExist.
func DiskPath(serial string) (string, error) {
	disks, err := os.ReadDir(sysBlock)
	if err != nil {
		return "", err
	}
	for _, disk := range disks {
		text, err := os.ReadFile(filepath.Join(sysBlock, disk.Name(), "serial"))
		if err == nil && strings.TrimSpace(string(text)) == serial {
			return filepath.Join("/dev", disk.Name()), nil
		}
	}
	return "", fmt.Errorf("disk %q: %w", serial, fs.ErrNotExist)
}

func openDisk(serial string, flags int) (*os.File, error) {
	path, err := DiskPath(serial)
	if err != nil {
		return nil, err
	}
	return os.OpenFile(path, flags, 0)
}

// copyIn takes a file or a directory from a disk. The host decides how large it is.
func copyIn(ctx context.Context, c job.Copy) error {
	disk, err := openDisk(c.Disk, os.O_RDONLY)
	if err != nil {
		return fmt.Errorf("copy in %q: %w", c.Path, err)
	}
	defer disk.Close()
	if err := parcel.Unpack(ctx, disk, c.Path, math.MaxInt64); err != nil {
		return fmt.Errorf("copy in: %w", err)
	}
	return nil
}

// copyAllOut puts each file or directory on a disk, and goes on where one cannot be.
func copyAllOut(ctx context.Context, list []job.Copy) (err error) {
	for _, c := range list {
		err = errors.Join(err, copyOut(ctx, c))
	}
	return err
}

func copyOut(ctx context.Context, c job.Copy) error {
	disk, err := openDisk(c.Disk, os.O_WRONLY)
	if err != nil {
		return fmt.Errorf("copy out %q: %w", c.Path, err)
	}
	defer disk.Close()
	if err := parcel.Pack(ctx, disk, c.Path); err != nil {
		return fmt.Errorf("copy out: %w", err)
	}
	// The host will take the power from us.
	return disk.Sync()
}
