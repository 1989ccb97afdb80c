package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/golden/lint"
	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/pkg/image"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/units"
)

func imageInspectCommand() *cobra.Command {
	var o inspectOptions
	c := &cobra.Command{
		Use:   "inspect [flags] IMAGE",
		Short: "Show what is in a disk image, and what it would boot",
		Long: `Show the partitions of a disk image, the entries of its boot loader, the members of
its pool, what it would boot, and what "freshroot factory lint" has to say of that.
With --sizes it says of each member what "freshroot list --sizes" does, and takes as
long. Of a damaged image it shows what can be read. Not a byte of the image changes. It
needs root, to mount the pool read-only.

Exit status: 0 if the image was read, 1 if not all of it was, 2 for wrong usage.`,
		Example: "  freshroot image inspect --sizes disk.img",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return o.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), args[0])
		},
	}
	c.Flags().BoolVar(&o.json, "json", false, "print JSON")
	c.Flags().StringVar(&o.arch, "arch", "",
		"architecture to plan for (default: that of the pool's partition)")
	sizesFlag(c, &o.sizes)
	return c
}

// inspectOptions are the flags of the command.
type inspectOptions struct {
	json, sizes bool
	arch        string
}

func (o inspectOptions) run(ctx context.Context, w, messages io.Writer, path string) error {
	if err := needsRoot("looking into an image"); err != nil {
		return err
	}
	if o.arch != "" {
		if _, err := knownArch(o.arch); err != nil {
			return err
		}
	}
	i, err := image.Open(path)
	if err != nil {
		return err
	}
	defer i.Close()
	info := o.inspect(ctx, i, path, sizesIf(o.sizes, messages))
	if o.json {
		err = printJSON(w, info)
	} else {
		err = info.print(w)
	}
	return cmp.Or(err, info.damage(o.json))
}

// imageInfo is what is in an image, for programs.
type imageInfo struct {
	Path       string          `json:"path"`
	Size       int64           `json:"size"`
	SectorSize int             `json:"sector_size"`
	GUID       string          `json:"guid"`
	Partitions []partitionInfo `json:"partitions"`
	Entries    []entryInfo     `json:"entries"`
	Members    []poolMember    `json:"members"`
	Plan       *planJSON       `json:"plan,omitempty"`
	Failure    string          `json:"failure,omitempty"` // why it would not boot
	Lint       []lint.Finding  `json:"lint"`
	Errors     []string        `json:"errors,omitempty"` // why this is not all
}

// damage is the error for what could not be read, which JSON has said.
func (i imageInfo) damage(said bool) error {
	switch {
	case len(i.Errors) == 0:
		return nil
	case said:
		return errSaid
	}
	return errors.New(strings.Join(i.Errors, "\n"))
}

type partitionInfo struct {
	Number int    `json:"number"`
	Label  string `json:"label"`
	Type   string `json:"type"`
	GUID   string `json:"guid"`
	Offset int64  `json:"offset"`
	Size   int64  `json:"size"`
	NoAuto bool   `json:"no_auto"`
	GrowFS bool   `json:"growfs"`
}

// entryInfo is what the boot loader has to offer.
type entryInfo struct {
	Path    string `json:"path"`
	Vendor  string `json:"vendor"`
	Version string `json:"version"`
	Tries   *tries `json:"tries,omitempty"`
	Options string `json:"options"`
}

// inspect looks at all of an image. What cannot be read does not hide the rest.
func (o inspectOptions) inspect(
	ctx context.Context, i *image.Image, path string, measure sizes,
) imageInfo {
	info := imageInfo{
		Path: path, Size: i.Size, SectorSize: i.Table.SectorSize, GUID: i.Table.DiskGUID.String(),
		Entries: []entryInfo{}, Members: []poolMember{}, Lint: []lint.Finding{},
	}
	for _, p := range i.Table.Partitions {
		info.Partitions = append(info.Partitions, describePartition(p))
	}
	boot, err := i.Boot(ctx)
	info.failed("read boot partition", err)
	if boot != nil {
		for _, e := range boot.Entries {
			info.Entries = append(info.Entries, describeEntry(e))
		}
	}
	arch := subvol.CanonicalArch(cmp.Or(o.arch, i.Arch()))
	plan, err := planOptions{arch: arch}.plan([]string{path})
	if err != nil {
		info.Failure = err.Error()
	} else {
		described := describePlan(plan)
		info.Plan = &described
	}
	info.failed("read pool", i.WithPool(func(top *os.File) error {
		err := info.lookInto(top, arch)
		measure(top, info.Members)
		return err
	}))
	return info
}

// failed notes what could not be done, if there is an error.
func (i *imageInfo) failed(what string, err error) {
	if err != nil {
		i.Errors = append(i.Errors, fmt.Sprintf("%s: %v", what, err))
	}
}

// lookInto adds what is in the pool.
func (i *imageInfo) lookInto(top *os.File, arch string) error {
	members, err := listMembers(top, listedFor{arch: arch})
	if err != nil {
		return err
	}
	if i.Members = members; i.Plan == nil {
		return nil
	}
	usr, err := rootfs.OpenDir(top, i.Plan.Usr)
	if err != nil {
		return err
	}
	defer usr.Close()
	found, err := lint.RunUsr(usr)
	i.Lint = append(i.Lint, found...)
	return err
}

func describePartition(p gpt.Partition) partitionInfo {
	return partitionInfo{
		Number: p.Number, Label: p.Label, Type: gpt.TypeName(p.Type.String()), GUID: p.GUID.String(),
		Offset: p.Offset, Size: p.Size,
		NoAuto: p.Attributes&gpt.NoAuto != 0, GrowFS: p.Attributes&gpt.GrowFS != 0,
	}
}

func describeEntry(e esp.Entry) entryInfo {
	info := entryInfo{Path: e.Path, Vendor: e.Vendor, Version: e.Version, Options: e.Options}
	if e.Tries.Counted {
		info.Tries = &tries{e.Tries.Left, e.Tries.Done}
	}
	return info
}

// print tells it to people.
func (i imageInfo) print(w io.Writer) error {
	line := func(what, format string, args ...any) {
		fmt.Fprintf(w, "%-10s %s\n", what, fmt.Sprintf(format, args...))
	}
	line("disk", "%s, GPT %s, sectors of %d bytes", units.Bytes(i.Size), i.GUID, i.SectorSize)
	for _, p := range i.Partitions {
		line("partition", "%d %q, %s, %s", p.Number, p.Label, p.Type, units.Bytes(p.Size))
	}
	for _, e := range i.Entries {
		line("entry", "%s: %s:%s %s", printable(e.Path), printable(e.Vendor), printable(e.Version),
			printable(e.Options))
	}
	for _, m := range i.Members {
		line("member", "%s  %s%s", printable(m.Name), m.describe(false), m.Size.describe())
	}
	if i.Plan == nil {
		line("would boot", "nothing: %s", i.Failure)
		return nil
	}
	line("would boot", "%s", printable(i.Plan.Usr))
	printFindings(w, i.Lint)
	return nil
}
