package image

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/disk"
	"github.com/freshroot/freshroot/pkg/mount"
	"github.com/freshroot/freshroot/pkg/program"
	"github.com/freshroot/freshroot/pkg/source"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// Result says what was built.
type Result struct {
	Output string `json:"output"`
	Size   int64  `json:"size"` // of the disk, in bytes
	Filled
}

// Build makes an image as root, with a loop device. If it fails there is none.
func Build(ctx context.Context, src *source.Source, p Plan) (Result, error) {
	return p.build(ctx, src, func(f *os.File, r *Result) (int64, error) {
		return p.fill(ctx, f, Unpacked(src, p.Fill), r)
	})
}

// build makes the image around the partitions, which fill makes in their places. fill
// returns the size that the pool has then.
func (p Plan) build(ctx context.Context, src *source.Source,
	fill func(f *os.File, r *Result) (int64, error),
) (result Result, err error) {
	result.Output = p.Output
	if err := p.canBuild(ctx, src); err != nil {
		return result, err
	}
	raw, err := create(p.Output, p.Force)
	if err != nil {
		return result, err
	}
	defer raw.discard()
	defer func() { err = raw.explain(err) }()
	if err := raw.resize(p.Layout.Size); err != nil {
		return result, err
	}
	size, err := fill(raw.File, &result)
	if err != nil {
		return result, err
	}
	layout, err := p.resized(size)
	if err != nil {
		return result, err
	}
	result.Size = layout.Size
	if err := errors.Join(raw.resize(layout.Size), layout.Write(raw.File)); err != nil {
		return result, err
	}
	return result, p.finish(ctx, raw)
}

// resized is the layout with a pool of another size.
func (p Plan) resized(pool int64) (disk.Layout, error) {
	spec := p.Layout.Spec
	spec.Size = p.Layout.Extents[poolPartition].Offset + pool + disk.Align
	return spec.Layout()
}

// finish gives the image its name, in its format.
func (p Plan) finish(ctx context.Context, raw *output) error {
	if p.Format == Raw {
		return raw.commit()
	}
	p.Fill.Progress.report("convert")
	converted, err := create(p.Output, p.Force)
	if err != nil {
		return err
	}
	defer converted.discard()
	if err := convert(ctx, raw.File, converted.File, p.Format); err != nil {
		return err
	}
	return converted.commit()
}

// fill makes the pool in its place in the image, and from it the EFI system partition. It
// returns the size that the pool has then.
func (p Plan) fill(ctx context.Context, f *os.File, with Content, r *Result) (
	size int64, err error,
) {
	extent := p.Layout.Extents[poolPartition]
	loop, err := device.AttachLoop(f, device.Range{
		Offset: extent.Offset, Size: extent.Size, SectorSize: p.Layout.SectorSize, Writable: true,
	})
	if err != nil {
		return 0, err
	}
	// Of two file systems with one UUID, as a seed makes them, mkfs refuses the second.
	defer func() { err = errors.Join(err, device.DetachLoop(loop)) }()
	if err := makeBtrfs(ctx, loop.Name(), p.FSUUID); err != nil {
		return 0, err
	}
	top, err := mount.Nowhere("btrfs", loop.Name(), "subvolid=5", "compress="+p.Compress)
	if err != nil {
		return 0, err
	}
	defer top.Close()
	if r.Filled, err = with(ctx, top); err != nil {
		return 0, err
	}
	if err := p.fillESP(ctx, f, top, r); err != nil {
		return 0, fmt.Errorf("make boot partition: %w", err)
	}
	p.Fill.Progress.report("trim")
	size, err = p.shrink(top)
	if errors.Is(err, unix.EOPNOTSUPP) { // a disk; an image always can
		r.Warnings = append(r.Warnings, "The disk cannot be told what is free on it: "+
			"what the source has and the golden master has not may still be there.")
		err = nil
	}
	return size, err
}

// mkfs is the program that makes the file system.
const mkfs = "mkfs.btrfs"

// makeBtrfs makes a file system on a device, or in a file, with more options.
func makeBtrfs(ctx context.Context, path, uuid string, options ...string) error {
	args := append([]string{"-q", "-s", "4096", "-U", uuid, "-L", volatile.PoolLabel}, options...)
	return program.Run(ctx, nil, mkfs, append(args, path)...)
}

// bootPartition is the EFI system partition of the image f.
func (p Plan) bootPartition(f *os.File) bootPartition {
	return bootPartition{f, p.Layout.Extents[espPartition], p.Layout.SectorSize, p.ESPID}
}

// fillESP makes the EFI system partition of what is in the pool.
func (p Plan) fillESP(ctx context.Context, f, top *os.File, r *Result) (err error) {
	p.Fill.Progress.report("make boot partition")
	b := p.bootPartition(f)
	done, err := b.separate()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	return withTree(func(tree string) error {
		warnings, err := b.fill(ctx, tree, top, p.Fill.Usr, p.Boot)
		r.Warnings = append(r.Warnings, warnings...)
		return err
	})
}

// shrink makes a pool as small as it may well be, with room for as much as it holds once
// more: the next version. It returns the size.
func (p Plan) shrink(top *os.File) (int64, error) {
	size := p.Layout.Extents[poolPartition].Size
	if p.Shrinks {
		var err error
		if size, err = fitting(top, size); err != nil {
			return 0, err
		}
	}
	return size, trim(top)
}

// fitting resizes a pool, if that is possible without much moving about.
func fitting(top *os.File, size int64) (int64, error) {
	data, metadata, err := btrfs.Space(top)
	if err != nil {
		return 0, err
	}
	used := int64(data.Used + 2*metadata.Used) // which is there twice
	for least := roomy(used); least < size; least += gib / 2 {
		if err := btrfs.Resize(top, least); !errors.Is(err, unix.ENOSPC) {
			return least, err
		}
	}
	return size, nil
}

// roomy is how large a pool is that may well hold as much once more.
func roomy(used int64) int64 { return (2*used + 3*gib/2 + step - 1) / step * step }

// trim makes holes of what is free: what was dropped from the source, keys and passwords
// among it, would otherwise still be there to be read.
func trim(top *os.File) error {
	// The first sync commits what was deleted, the second one frees it.
	for range 2 {
		if err := sync(top); err != nil {
			return err
		}
	}
	return btrfs.Trim(top)
}
