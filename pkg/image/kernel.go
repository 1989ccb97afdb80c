package image

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/freshroot/freshroot/pkg/archive"
	"github.com/freshroot/freshroot/pkg/factory"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/version"
)

// Where a golden master has its kernels: modules, kernel and initramfs of a release in
// one directory, so that they come and go with the version.
const (
	modulesDir    = "usr/lib/modules"
	kernelFile    = "vmlinuz"
	initramfsFile = "initramfs.img"
)

// releases returns the kernel releases that a tree has modules for, newest first.
func releases(tree fs.FS, dir string) ([]string, error) {
	entries, err := fs.ReadDir(tree, dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var list []string
	for _, e := range entries {
		// A release that was removed often leaves a directory behind.
		if _, err := fs.Stat(tree, path.Join(dir, e.Name(), "modules.dep")); err == nil {
			list = append(list, e.Name())
		}
	}
	slices.SortFunc(list, func(a, b string) int { return version.Compare(b, a) })
	return list, nil
}

// kernelPath returns where a tree has the kernel of a release: with its modules, as the
// UAPI group wants it, or in /boot, as Debian has it.
func kernelPath(tree fs.FS, release string) string {
	for _, name := range []string{
		path.Join(modulesDir, release, kernelFile), "boot/vmlinuz-" + release,
	} {
		if info, err := fs.Stat(tree, name); err == nil && info.Mode().IsRegular() {
			return name
		}
	}
	return ""
}

// addKernel copies a kernel and its modules from another directory than the source.
func (s *stage) addKernel(ctx context.Context) error {
	from := s.options.KernelFrom
	if from == "" {
		return nil
	}
	k, err := archive.FindKernel(from, s.options.Kernel, "")
	if err != nil {
		return err
	}
	// Only a kernel that the source has no modules of needs those.
	if have, err := releases(rootfs.FS(s.tree), modulesDir); err != nil {
		return err
	} else if !slices.Contains(have, k.Release) {
		if err := s.copyModules(k); err != nil {
			return err
		}
	}
	file, err := k.Image(from)
	if err != nil {
		return err
	}
	image, err := os.Open(file)
	if err != nil {
		return err
	}
	defer image.Close()
	s.options.Kernel = k.Release
	return s.write(path.Join(modulesDir, k.Release, kernelFile), image, 0o644)
}

func (s *stage) copyModules(k archive.Kernel) error {
	to := path.Join(modulesDir, k.Release)
	if err := s.root.MkdirAll(to, 0o755); err != nil {
		return err
	}
	dst, err := rootfs.OpenDir(s.tree, to)
	if err != nil {
		return err
	}
	defer dst.Close()
	src, err := os.Open(k.Dir)
	if err != nil {
		return err
	}
	defer src.Close()
	if _, err = factory.Copy(dst, src, factory.Options{}); err != nil {
		return err
	}
	return s.giveToRoot(to)
}

// giveToRoot makes all of a directory root's: whoever has unpacked a kernel, it is no user's.
func (s *stage) giveToRoot(dir string) error {
	return fs.WalkDir(s.root.FS(), dir, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return s.root.Lchown(name, 0, 0)
	})
}

// addInitramfs puts kernel and initramfs beside the modules.
func (s *stage) addInitramfs(ctx context.Context) error {
	release := s.filled.Kernel
	dir := path.Join(modulesDir, release)
	tree := rootfs.FS(s.tree)
	if from := kernelPath(tree, release); from != path.Join(dir, kernelFile) {
		f, err := tree.Open(from)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := s.write(path.Join(dir, kernelFile), f, 0o644); err != nil {
			return err
		}
	}
	built, err := s.initramfs(ctx, dir, release)
	if err != nil {
		return err
	}
	defer built.Close()
	return s.write(path.Join(dir, initramfsFile), built, 0o644)
}

// initramfs opens a ready-made initramfs, or builds one. It is built in the stage,
// which is on the disk and not in the tree, where a link could lead out.
func (s *stage) initramfs(ctx context.Context, dir, release string) (*os.File, error) {
	o := s.options
	if o.Initramfs != "" {
		return os.Open(o.Initramfs)
	}
	modules, err := rootfs.OpenDir(s.tree, dir)
	if err != nil {
		return nil, err
	}
	defer modules.Close()
	output := filepath.Join(self(s.dir), initramfsFile)
	_, err = archive.Build(ctx, archive.Options{
		Output: output, Init: o.Init, Source: o.InitSource, Modules: o.Modules,
		Kernel:      archive.Kernel{Release: release, Dir: self(modules)},
		Compression: archive.Zstd, Time: o.Factory.Epoch,
	})
	if err != nil {
		return nil, known(err, self(modules), dir, self(s.dir)+"/", "")
	}
	return os.Open(output)
}
