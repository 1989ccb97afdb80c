package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/disk"
	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/pkg/mount"
	"github.com/freshroot/freshroot/pkg/signature"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// Image is an image that is there.
type Image struct {
	*os.File
	Size  int64 // bytes
	Table *gpt.Table
	ESP   gpt.Partition
	Pool  gpt.Partition
}

// Open opens an image to look into it.
func Open(path string) (*Image, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	i, err := openAs(f, path)
	if err != nil {
		f.Close()
	}
	return i, err
}

// openAs opens what is in a file, which people know by a path.
func openAs(f *os.File, path string) (*Image, error) {
	i := &Image{File: f}
	if err := i.read(); err != nil {
		return nil, fmt.Errorf("open image %s: %w", path, i.explain(err, path))
	}
	return i, nil
}

// openFile opens a file to be read, and does not wait for who writes to it, if it is a FIFO.
func openFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
}

// read finds the partitions.
func (i *Image) read() error {
	info, err := i.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is no file")
	}
	i.Size = info.Size()
	if i.Table, err = gpt.Probe(i, i.Size); err != nil {
		return err
	}
	for _, p := range i.Table.Partitions {
		switch {
		case p.Type.String() == gpt.ESP && i.ESP.Size == 0:
			i.ESP = p
		case p.Label == volatile.PoolLabel && i.Pool.Size == 0:
			i.Pool = p
		}
	}
	switch {
	case i.Pool.Size != 0:
		return nil
	case len(i.Table.Cut) > 0:
		return fmt.Errorf("the file is cut short, with %d bytes: %s",
			i.Size, strings.Join(i.Table.Cut, "; "))
	}
	return fmt.Errorf("it has no partition with the label %q", volatile.PoolLabel)
}

// Arch is the architecture that the type of the pool's partition is for; this machine's if it
// is for none.
func (i *Image) Arch() string {
	return cmp.Or(gpt.ArchOf(i.Pool.Type.String()), subvol.HostArch())
}

// explain says how to make a disk of a format that is none.
func (i *Image) explain(err error, path string) error {
	if format := signature.ImageFormat(i); format != string(Raw) {
		return fmt.Errorf("it is in the format %s: first run "+
			"qemu-img convert -O raw %s disk.raw", format, path)
	}
	return err
}

// loop makes a partition a block device.
func (i *Image) loop(p gpt.Partition, writable bool) (*os.File, error) {
	return device.AttachLoop(i.File, device.Range{
		Offset: p.Offset, Size: p.Size, SectorSize: i.Table.SectorSize, Writable: writable,
	})
}

// WithPool shows f the top level of the pool, without a byte changing.
func (i *Image) WithPool(f func(top *os.File) error) error {
	loop, err := i.loop(i.Pool, false)
	if err != nil {
		return err
	}
	defer loop.Close()
	top, err := mount.Nowhere("btrfs", loop.Name(), "subvolid=5", "ro", "rescue=nologreplay")
	if err != nil {
		return err
	}
	defer top.Close()
	return f(top)
}

// boot is the EFI system partition, nil if there is none.
func (i *Image) boot() *bootPartition {
	if i.ESP.Size == 0 {
		return nil
	}
	extent := disk.Extent{Offset: i.ESP.Offset, Size: i.ESP.Size}
	return &bootPartition{image: i.File, extent: extent, sectorSize: i.Table.SectorSize}
}

// Boot looks at what the EFI system partition boots; nil if the image has none.
func (i *Image) Boot(ctx context.Context) (*esp.State, error) {
	b := i.boot()
	if b == nil {
		return nil, nil
	}
	var state esp.State
	err := withTree(func(tree string) (err error) {
		if err := b.extract(ctx, tree); err != nil {
			return err
		}
		state, err = esp.Look(os.DirFS(tree))
		return err
	})
	return &state, err
}
