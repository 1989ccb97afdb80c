package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/pkg/mount"
	"github.com/freshroot/freshroot/pkg/source"
)

// AddOptions say what is added to an image.
type AddOptions struct {
	Fill     FillOptions
	Boot     BootOptions
	Compress string // as in Options
	Size     int64  // that the disk gets first, in bytes; what it has if zero
}

// Add puts one more OS or version into an image, and makes its boot partition match. The
// image is replaced by a changed copy: it is what it was, or complete. Others who change it
// are waited for.
func Add(ctx context.Context, path string, src *source.Source, o AddOptions) (result Result, err error) {
	result.Output = path
	if err := o.Boot.canFill(); err != nil {
		return result, err
	}
	if err := o.check(ctx, path, src); err != nil {
		return result, err
	}
	o.Fill.Progress.report("wait for others who change it")
	locked, err := device.OpenLocked(ctx, path, os.O_RDONLY)
	if err != nil {
		return result, err
	}
	defer locked.Close()
	copied, err := duplicate(ctx, path, o.Fill.Progress)
	if err != nil {
		return result, err
	}
	defer copied.discard()
	defer func() { err = copied.explain(err) }()
	i, err := openAs(copied.File, path)
	if err != nil {
		return result, err
	}
	if err := i.enlarge(copied, o.Size); err != nil {
		return result, fmt.Errorf("enlarge %s: %w", path, err)
	}
	result.Size = i.Size
	if err := i.add(ctx, src, o, &result); err != nil {
		return result, err
	}
	return result, copied.commit()
}

// check finds out what can be known before the image is copied.
func (o AddOptions) check(ctx context.Context, path string, src *source.Source) error {
	i, err := Open(path)
	if err != nil {
		return err
	}
	defer i.Close()
	if err := i.checkArch(o.Fill.Usr.Arch); err != nil {
		return fmt.Errorf("add to %s: %w", path, err)
	}
	return o.Fill.canFill(ctx, src, BootOptions{}) // the image may have its boot loader
}

// checkArch refuses a version for another architecture than that of the image: its boot
// partition would be made for that one alone. Generic Linux data is of any.
func (i *Image) checkArch(arch string) error {
	for _, other := range gpt.Architectures() {
		typ := i.Pool.Type.String()
		if other != arch && (typ == gpt.RootType(other) || typ == gpt.UsrType(other)) {
			return fmt.Errorf("it is an image for %s, and the version for %s: give --arch %s, "+
				"or build an image of its own", other, arch, other)
		}
	}
	return nil
}

// enlarge makes the image larger, and with it the partition of the pool.
func (i *Image) enlarge(file *output, size int64) error {
	switch {
	case size == 0 || size == i.Size:
		return nil
	case size < i.Size:
		return fmt.Errorf("it has %d MiB, and becomes no smaller", i.Size/mib)
	case size%int64(i.Table.SectorSize) != 0:
		return fmt.Errorf("%d bytes are no whole sectors of %d", size, i.Table.SectorSize)
	}
	if err := file.resize(size); err != nil {
		return err
	}
	growth, err := device.PlanGrowth(i.File, i.Pool.Number)
	if err != nil {
		return err
	}
	i.Size, i.Pool = size, growth.New
	return device.Grow(i.File, growth)
}

func (i *Image) add(ctx context.Context, src *source.Source, o AddOptions, r *Result) error {
	loop, err := i.loop(i.Pool, true)
	if err != nil {
		return err
	}
	defer loop.Close()
	top, err := mount.Nowhere("btrfs", loop.Name(), "subvolid=5", "compress="+compressed(o.Compress))
	if err != nil {
		return err
	}
	defer top.Close()
	if o.Size != 0 {
		if err := btrfs.Grow(top); err != nil {
			return err
		}
	}
	if r.Filled, err = Fill(ctx, top, src, o.Fill); err != nil {
		return err
	}
	if b := i.boot(); b != nil {
		o.Fill.Progress.report("make boot partition")
		if err := b.refill(ctx, top, o, r); err != nil {
			return fmt.Errorf("make boot partition: %w", err)
		}
	}
	o.Fill.Progress.report("trim")
	return trim(top)
}

// refill makes the partition match the pool, and keeps what is not ours.
func (b *bootPartition) refill(ctx context.Context, top *os.File, o AddOptions, r *Result) error {
	if err := b.readID(); err != nil {
		return err
	}
	return withTree(func(tree string) error {
		if err := b.extract(ctx, tree); err != nil {
			return err
		}
		warnings, err := b.fill(ctx, tree, top, o.Fill.Usr, o.Boot)
		r.Warnings = append(r.Warnings, warnings...)
		return err
	})
}

// duplicate copies an image to a file that takes its place when it is committed, with its
// owner and mode; of a link, the place that it leads to. Where the file system can, the two
// share what is the same; holes stay holes.
func duplicate(ctx context.Context, path string, progress Progress) (*output, error) {
	progress.report("copy")
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	from, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return nil, err
	}
	to, err := createLike(path, from)
	if err != nil {
		return nil, err
	}
	err = unix.IoctlFileClone(int(to.Fd()), int(from.Fd()))
	if err != nil {
		err = errors.Join(to.resize(info.Size()), copyData(ctx, to.File, 0, from, progress))
	}
	if err != nil {
		err = to.explain(fmt.Errorf("copy %s: %w", path, err))
		to.discard()
		return nil, err
	}
	return to, nil
}
