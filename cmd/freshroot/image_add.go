package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/image"
	"github.com/freshroot/freshroot/pkg/source"
)

// newTries is how often a version is tried that has another one to fall back to.
const newTries = 3

func imageAddCommand() *cobra.Command {
	var (
		fill   fillFlags
		boot   bootFlags
		add    addFlags
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "add [flags] --usr SOURCE --vendor ID --version V IMAGE",
		Short: "Put another version into a disk image",
		Long: `Put another version into a disk image, and make its EFI system partition match. The
image has to be raw. It is replaced by a changed copy once that is complete. With
--size it becomes larger first, and its pool with it; SIZE is in bytes, or with K, M, G
or T behind in powers of 1024.

Exit status: 0 if it is done, 1 if it failed, 2 for wrong usage.`,
		Example: `  freshroot image add --usr /srv/debian --vendor org.example.os --version 1.1 disk.img
  freshroot image add --usr /srv/debian --vendor org.example.os --version 1.2 --size 8G disk.img`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			o, err := add.options(&fill, &boot)
			if err != nil {
				return err
			}
			result, err := fill.with(c.Context(), func(ctx context.Context, src *source.Source,
				show image.Progress,
			) (image.Result, error) {
				o.Fill.Progress = show
				return image.Add(ctx, args[0], src, o)
			})
			if err != nil {
				return adviseESP(adviseSize(err), newImage)
			}
			return printResult(c.OutOrStdout(), result, asJSON)
		},
	}
	fill.add(c, newTries)
	boot.add(c, false)
	f := c.Flags()
	f.StringVar(&add.size, "size", "", "`SIZE` that the disk gets (default: what it has)")
	f.StringVar(&add.compress, "compress", "zstd", "of the pool: zstd, zstd:LEVEL or none")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// addFlags are the flags of the command alone.
type addFlags struct{ size, compress string }

// options turns the flags into what the library takes.
func (f addFlags) options(fill *fillFlags, boot *bootFlags) (o image.AddOptions, err error) {
	if o.Fill, err = fill.fill(); err != nil {
		return o, err
	}
	if o.Boot, err = boot.boot(); err != nil {
		return o, err
	}
	if o.Size, err = parseSize(f.size); err != nil {
		return o, usageError{err}
	}
	if err := image.CheckCompress(f.compress); err != nil {
		return o, usageError{err}
	}
	o.Compress = f.compress
	return o, needsRoot("changing an image")
}

// newImage is what is left to do about an EFI system partition that has others behind it.
const newImage = "it cannot grow: build an image with a larger --esp-size (freshroot image build), " +
	"and add versions to that"

// adviseESP says what to do about an EFI system partition that is too small.
func adviseESP(err error, advice string) error {
	if space := (*image.BootSpaceError)(nil); errors.As(err, &space) {
		return fmt.Errorf("%w: %s", err, advice)
	}
	return err
}

// adviseSize says what to do about an image that is too small.
func adviseSize(err error) error {
	if space := (*image.SpaceError)(nil); errors.As(err, &space) {
		return fmt.Errorf("%w: give a larger --size", err)
	}
	return err
}
