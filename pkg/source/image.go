package source

import (
	"context"
	"os"

	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/mount"
)

// unpackImage copies the files of a file system that is read-only by nature. The kernel
// reads it, and so it has to be trusted as much as any disk that is mounted.
func (s *Source) unpackImage(ctx context.Context, dir *os.File, o Options) (Stats, error) {
	loop, err := device.AttachLoop(s.file, device.Range{})
	if err != nil {
		return Stats{}, err
	}
	defer loop.Close()
	top, err := mount.Nowhere(string(s.Kind), loop.Name(), "ro")
	if err != nil {
		return Stats{}, err
	}
	defer top.Close()
	return copyTree(ctx, dir, top, o)
}
