package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/program"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/source"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// CanBuildDirectory says what BuildDirectory lacks here, for this source and plan: nothing
// if it is nil.
func CanBuildDirectory(ctx context.Context, src *source.Source, p Plan) error {
	switch {
	case src.Kind == source.Squashfs || src.Kind == source.Erofs:
		return fmt.Errorf("an image of %s has to be mounted", src.Kind)
	case p.Fill.Instance != "":
		return errors.New("an instance is made by the kernel's btrfs")
	}
	help, err := exec.CommandContext(ctx, mkfs, "--help").CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return program.Missing(mkfs, err)
	}
	for _, option := range []string{"--rootdir", "--subvol", "--compress"} {
		if !strings.Contains(string(help), option) {
			return fmt.Errorf("%s has no %s: it has to be of btrfs-progs 6.13 or later", mkfs, option)
		}
	}
	return nil
}

// BuildDirectory makes an image as [Build] does, without loop devices and mounts: a directory
// in $TMPDIR is filled, of which mkfs.btrfs makes the pool. It needs to be root, be it of no
// more than a user namespace (user_namespaces(7)): all files get their owners.
func BuildDirectory(ctx context.Context, src *source.Source, p Plan) (Result, error) {
	return p.build(ctx, src, func(f *os.File, r *Result) (size int64, err error) {
		dir, err := os.MkdirTemp("", "freshroot-image-")
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		return p.fillDirectory(ctx, f, dir, src, r)
	})
}

// fillDirectory fills a directory in dir and makes the pool and the boot partition of it.
func (p Plan) fillDirectory(ctx context.Context, f *os.File, dir string, src *source.Source, r *Result) (
	size int64, err error,
) {
	pool := filepath.Join(dir, volatile.PoolLabel)
	if err := errors.Join(os.Mkdir(pool, 0o755), os.Chmod(pool, 0o755)); err != nil {
		return 0, err
	}
	top, err := os.Open(pool)
	if err != nil {
		return 0, err
	}
	defer top.Close()
	r.Filled, err = fillStage(ctx, &stage{pool: top, options: p.Fill, plain: true}, src)
	if err != nil {
		return 0, err
	}
	if err := p.fillESPFrom(ctx, f, top, r); err != nil {
		return 0, fmt.Errorf("make boot partition: %w", err)
	}
	p.Fill.Progress.report("make file system")
	return p.makePool(ctx, f, pool, r.Usr)
}

// fillESPFrom makes the EFI system partition of the only member of a directory.
func (p Plan) fillESPFrom(ctx context.Context, f, top *os.File, r *Result) error {
	p.Fill.Progress.report("make boot partition")
	member, err := rootfs.OpenDir(top, r.Usr)
	if err != nil {
		return err
	}
	defer member.Close()
	version, err := esp.VersionOf(top, r.Usr, p.Fill.Usr)
	if err != nil {
		return err
	}
	version.Options = p.Boot.Cmdline
	from := bootable{arch: p.Fill.Usr.Arch, versions: []esp.Version{version}}
	from.loader, from.stub = esp.Programs(rootfs.FS(member), from.arch)
	return withTree(func(tree string) error {
		warnings, err := p.bootPartition(f).fillWith(ctx, tree, from, p.Boot)
		r.Warnings = append(r.Warnings, warnings...)
		return err
	})
}

// makePool has mkfs.btrfs make a file system of a directory, and puts it into its place. It
// returns its size.
func (p Plan) makePool(ctx context.Context, f *os.File, pool, member string) (int64, error) {
	extent := p.Layout.Extents[poolPartition]
	size := extent.Size
	if p.Shrinks {
		size = min(size, roomy(treeSize(pool)))
	}
	made, err := os.Create(pool + ".btrfs")
	if err != nil {
		return 0, err
	}
	defer made.Close()
	if err := made.Truncate(size); err != nil {
		return 0, err
	}
	err = makeBtrfs(ctx, made.Name(), p.FSUUID, "--compress", mkfsCompression(p.Compress),
		"--rootdir", pool, "--subvol", "ro:"+member)
	if err != nil {
		return 0, err
	}
	info, err := made.Stat()
	if err != nil {
		return 0, err
	}
	// What does not fit makes mkfs.btrfs enlarge the file.
	if grown := info.Size(); grown > extent.Size {
		return 0, &SpaceError{Size: extent.Size, Missing: grown - extent.Size, Err: unix.ENOSPC}
	}
	size = min((info.Size()+mib-1)/mib*mib, extent.Size)
	return size, copyData(ctx, f, extent.Offset, made, p.Fill.Progress)
}

// mkfsCompression is what mkfs.btrfs calls a compression.
func mkfsCompression(name string) string {
	if name == "none" {
		return "no"
	}
	return name
}
