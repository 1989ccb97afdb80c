package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/factory"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/source"
)

// Content is what a new pool is filled with.
type Content func(ctx context.Context, pool *os.File) (Filled, error)

// Unpacked is an OS of a source, as Fill has it.
func Unpacked(src *source.Source, o FillOptions) Content {
	return func(ctx context.Context, pool *os.File) (Filled, error) {
		return Fill(ctx, pool, src, o)
	}
}

// Copied is a golden master as it is, such as the one that is running: usr is open on it,
// and o names the copy. Nothing of an instance comes along. One that could not be booted
// from another disk is refused at once.
func Copied(usr *os.File, o FillOptions, b BootOptions) (Content, error) {
	release, err := checkGolden(usr, o.Usr.Arch, b)
	if err != nil {
		return nil, fmt.Errorf("copy %s: %w", usr.Name(), err)
	}
	return func(ctx context.Context, pool *os.File) (Filled, error) {
		defer unix.Umask(unix.Umask(0)) // modes are what they are asked to be
		s := &stage{pool: pool, options: o, filled: Filled{Kernel: release}}
		if err := s.begin(); err != nil {
			return Filled{}, err
		}
		err := s.copyGolden(ctx, usr)
		if err := errors.Join(err, s.discard()); err != nil {
			return Filled{}, err
		}
		return s.filled, sync(pool)
	}, nil
}

// checkGolden refuses a /usr that may change while it is copied, one without the kernel
// and the initramfs that it boots with, and one without a boot loader. It returns the
// release of the newest kernel.
func checkGolden(usr *os.File, arch string, b BootOptions) (release string, err error) {
	golden, err := btrfs.IsSubvolume(usr)
	if err == nil && golden {
		golden, err = btrfs.ReadOnly(usr)
	}
	switch {
	case err != nil:
		return "", err
	case !golden:
		return "", errors.New("it is no golden master: no read-only subvolume")
	}
	tree := rootfs.FS(usr)
	kernels, err := fs.Glob(tree, path.Join("lib/modules/*", initramfsFile))
	if err != nil {
		return "", err
	}
	list, err := releases(tree, "lib/modules")
	if err == nil && (len(kernels) == 0 || len(list) == 0) {
		err = errors.New("it has no lib/modules/*/" + initramfsFile + ": make it with " +
			"freshroot image build, or install from its source with --usr")
	}
	if err != nil {
		return "", err
	}
	if p := b.noLoader(tree, arch); p != (Problem{}) {
		return "", fmt.Errorf("%s: %s", p.What, p.Do)
	}
	return list[0], nil
}

// copyGolden copies a golden master, and makes the instance that is asked for.
func (s *stage) copyGolden(ctx context.Context, usr *os.File) error {
	info, err := usr.Stat()
	if err != nil {
		return err
	}
	s.options.Factory.Epoch = info.ModTime() // by which the OS knows its version
	s.options.Progress.report("copy")
	if err := s.copyUsr(ctx, usr); err != nil {
		return fmt.Errorf("copy %s: %w", usr.Name(), err)
	}
	s.options.Progress.report("make member")
	if err := s.commit(ctx); err != nil {
		return err
	}
	return s.makeInstance(ctx)
}

// copyUsr copies all of a /usr to the subvolume that is in the making.
func (s *stage) copyUsr(ctx context.Context, usr *os.File) error {
	dst, err := rootfs.OpenDir(s.tree, usrDir)
	if err != nil {
		return err
	}
	defer dst.Close()
	var copied atomic.Int64
	stats, err := factory.Copy(dst, usr, factory.Options{
		Watch: func(n int64) error {
			if done, report := copied.Add(n), s.options.Progress; report != nil {
				report("copy", done, 0)
			}
			return ctx.Err()
		},
	})
	if errors.Is(err, unix.ENOSPC) {
		return s.noSpace(err, treeSize(self(usr))-copied.Load())
	} else if err != nil {
		return err
	}
	if stats.LostXattrs > 0 {
		return fmt.Errorf("%d extended attributes cannot be stored", stats.LostXattrs)
	}
	return factory.CopyAttributes(dst, usr)
}
