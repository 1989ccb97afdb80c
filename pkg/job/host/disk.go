package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/freshroot/freshroot/pkg/job/parcel"
	"github.com/freshroot/freshroot/pkg/vm"
)

// PackDisk makes a disk for a job to copy from: a file in dir, with what is at a path. The
// serial may have 20 bytes.
func PackDisk(ctx context.Context, dir, serial, path string) (vm.Disk, error) {
	return makeDisk(dir, serial, func(f *os.File) error { return parcel.Pack(ctx, f, path) })
}

// EmptyDisk makes a disk for a job to copy to: a file in dir, of holes. size is in bytes, and
// a multiple of 512.
func EmptyDisk(dir, serial string, size int64) (vm.Disk, error) {
	return makeDisk(dir, serial, func(f *os.File) error { return f.Truncate(size) })
}

func makeDisk(dir, serial string, fill func(*os.File) error) (vm.Disk, error) {
	f, err := os.Create(filepath.Join(dir, serial))
	if err != nil {
		return vm.Disk{}, err
	}
	d := vm.Disk{Path: f.Name(), Serial: serial}
	return d, errors.Join(fill(f), f.Close())
}

// UnpackDisk makes at a path what a job has copied to a disk, of at most limit bytes. It is
// parcel.ErrEmpty if there is nothing.
func UnpackDisk(ctx context.Context, d vm.Disk, path string, limit int64) error {
	f, err := os.Open(d.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	return parcel.Unpack(ctx, f, path, limit)
}
