package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/archive"
	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/source"
)

// CanFill makes sure of what a pool is filled with, before anything is unpacked or lost:
// that the files which the options name are there, and that a source which is a directory
// can be booted. Of other sources, and of none (nil), nothing is known by then.
func (p Plan) CanFill(ctx context.Context, src *source.Source) error {
	return p.Fill.canFill(ctx, src, p.Boot)
}

func (o FillOptions) canFill(ctx context.Context, src *source.Source, b BootOptions) error {
	if err := o.haveFiles(ctx); err != nil {
		return err
	}
	if src == nil || src.Kind != source.Directory {
		return nil
	}
	err := o.checkDirectory(src.Path, b)
	if errors.Is(err, fs.ErrPermission) {
		return nil // whoever packs the directory lists all that is hidden
	}
	return err
}

// haveFiles makes sure of the files that are named.
func (o FillOptions) haveFiles(ctx context.Context) error {
	for _, file := range []struct{ what, path string }{
		{"initramfs", o.Initramfs}, {"init", o.Init}, {"tool", o.Tool},
	} {
		if err := haveFile(file.path); err != nil {
			return fmt.Errorf("find %s: %w", file.what, err)
		}
	}
	if o.Initramfs == "" {
		if err := archive.CheckInit(ctx, o.Init, o.InitSource); err != nil {
			return err
		}
	}
	return o.haveKernel()
}

// haveKernel makes sure of a kernel that is not the source's.
func (o FillOptions) haveKernel() error {
	if o.KernelFrom == "" {
		return nil
	}
	k, err := archive.FindKernel(o.KernelFrom, o.Kernel, "")
	if err == nil {
		_, err = k.Image(o.KernelFrom)
	}
	if err != nil {
		return fmt.Errorf("find kernel: %w", err)
	}
	return nil
}

// haveFile makes sure that a file can be read, if one is named. A pipe can be read only once.
func haveFile(path string) error {
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return &fs.PathError{Op: "read", Path: path, Err: unix.EISDIR}
	case !info.Mode().IsRegular():
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// checkDirectory looks at a source as at what will have been unpacked of it.
func (o FillOptions) checkDirectory(path string, b BootOptions) (err error) {
	s := stage{options: o}
	if s.tree, err = os.Open(path); err != nil {
		return err
	}
	defer s.tree.Close()
	if s.root, err = os.OpenRoot(path); err != nil {
		return err
	}
	defer s.root.Close()
	noLoader := func(tree fs.FS) (Problem, error) {
		usr, err := fs.Sub(tree, usrDir)
		return b.noLoader(usr, o.Usr.Arch), err
	}
	noKernel := s.noKernel
	if o.KernelFrom != "" {
		noKernel = func(fs.FS) (Problem, error) { return Problem{}, nil } // it comes along
	}
	if err := s.find(unmerged, noConfiguration, noInit, noKernel, s.otherArch, s.highIDs, noLoader); err != nil {
		return err
	}
	return s.needTool()
}

// needTool makes sure that the tool can be installed, where there is none.
func (s *stage) needTool() error {
	if s.options.Tool == "" || exists(s.root, toolFile) {
		return nil
	}
	tool, err := os.Open(s.options.Tool)
	if err != nil {
		return err
	}
	defer tool.Close()
	return s.checkTool(tool)
}

// noLoader wants systemd's boot loader, if that is what boots, in a /usr or on this machine.
func (o BootOptions) noLoader(usr fs.FS, arch string) Problem {
	loader, stub := esp.Programs(usr, arch, os.DirFS("/usr"))
	switch {
	case o.Style != esp.Entries && o.Style != esp.UKI:
	case loader.Open == nil:
		return Problem{"it has no systemd-boot", "install the package systemd-boot-efi into it, or here"}
	case o.Style == esp.UKI && stub.Open == nil:
		return Problem{
			"it has no stub of systemd, of which unified kernel images are made",
			"install the package systemd-boot-efi into it, or here",
		}
	}
	return Problem{}
}
