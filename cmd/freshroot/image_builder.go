package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/image"
	"github.com/freshroot/freshroot/pkg/job/helper"
	"github.com/freshroot/freshroot/pkg/source"
)

// builderFlags say how an image is made.
type builderFlags struct {
	builder, helperKernel string
}

// The builders.
const (
	builderAuto    = "auto"
	builderLoop    = "loop"    // here, with a loop device
	builderRootdir = "rootdir" // here, of a directory
	builderVM      = "vm"      // in a helper machine
)

func (o *builderFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.builder, "builder", builderAuto,
		"loop (which needs root), rootdir (mkfs.btrfs of 6.13 or later), vm (a virtual machine), "+
			"or auto: the first that is possible")
	f.StringVar(&o.helperKernel, "helper-kernel", "",
		"`DIR` with boot and lib/modules of a kernel for that machine (default: this machine's, "+
			"or that of --kernel-from or of SOURCE)")
}

// choose returns the builder, and why it is that one.
func (o *builderFlags) choose(ctx context.Context, src *source.Source, p image.Plan) (
	builder, why string, err error,
) {
	switch o.builder {
	case builderLoop, builderVM:
		return o.builder, "as asked for", nil
	case builderRootdir:
		return o.builder, "as asked for", canBeRootdir(ctx, src, p)
	case builderAuto:
	default:
		return "", "", usageError{fmt.Errorf("builder %q: there are auto, loop, rootdir and vm", o.builder)}
	}
	why = "not root"
	if os.Geteuid() == 0 {
		// Root in a container may be no more than anybody.
		control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
		if err == nil {
			return builderLoop, "root", control.Close()
		}
		why = err.Error()
	}
	if err := canBeRootdir(ctx, src, p); err != nil {
		return builderVM, fmt.Sprintf("%s; %v", why, err), nil
	}
	return builderRootdir, why, nil
}

// canBeRootdir says what keeps an image from being made of a directory.
func canBeRootdir(ctx context.Context, src *source.Source, p image.Plan) error {
	if err := image.CanBuildDirectory(ctx, src, p); err != nil || os.Geteuid() == 0 {
		return err
	}
	return canBeRoot(ctx, src)
}

// build makes the image, and says on w how.
func (o *builderFlags) build(ctx context.Context, w io.Writer, src *source.Source, p image.Plan) (
	image.Result, error,
) {
	if isNamespaceRoot() { // as the one before has decided, and said
		return image.BuildDirectory(ctx, src, p)
	}
	// Who is not root has no programs for file systems in PATH, in some distributions.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		return image.Result{}, err
	}
	builder, why, err := o.choose(ctx, src, p)
	if err != nil {
		return image.Result{}, err
	}
	switch builder {
	case builderLoop:
		fmt.Fprintf(w, "building here, with a loop device (%s)\n", why)
		return image.Build(ctx, src, p)
	case builderRootdir:
		fmt.Fprintf(w, "building here, with mkfs.btrfs --rootdir (%s)\n", why)
		if os.Geteuid() != 0 {
			return image.Result{}, becomeRoot()
		}
		return image.BuildDirectory(ctx, src, p)
	}
	fmt.Fprintf(w, "building in a virtual machine (%s)\n", why)
	m, err := o.machine(src, p)
	if err != nil {
		return image.Result{}, err
	}
	return m.Build(ctx, src, p)
}

// machine finds what the helper machine is made of.
func (o *builderFlags) machine(src *source.Source, p image.Plan) (m image.Machine, err error) {
	if m.Tool, err = os.Executable(); err != nil {
		return m, err
	}
	m.Serve = []string{"image", "serve"}
	roots := []string{o.helperKernel}
	if o.helperKernel == "" {
		roots = []string{"/"}
		if p.Fill.KernelFrom != "" {
			roots = append(roots, p.Fill.KernelFrom)
		}
		if src.Kind == source.Directory {
			roots = append(roots, src.Path)
		}
	}
	if m.Kernel, err = helper.FindKernel(roots...); err != nil {
		return m, fmt.Errorf("%w: name one with --helper-kernel, or build as root", err)
	}
	return m, nil
}

// imageServeCommand is what the helper machine runs.
func imageServeCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "serve [flags] REQUEST",
		Short:  "Do the part of building an image that needs root, in a helper machine",
		Hidden: true,
		Args:   arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if os.Getppid() != 1 {
				return errors.New("image serve: only for helper machines")
			}
			return image.Serve(c.Context(), []byte(args[0]), c.OutOrStdout())
		},
	}
}
