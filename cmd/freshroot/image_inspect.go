package main

import (
	"context"
	"fmt"
	"io"
	"os"

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
long. Not a byte of the image changes. It needs root, to mount the pool read-only.

Exit status: 0 if the image was read, 1 if not, 2 for wrong usage.`,
		Example: "  freshroot image inspect --sizes disk.img",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return o.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), args[0])
		},
	}
	c.Flags().BoolVar(&o.json, "json", false, "print JSON")
	c.Flags().StringVar(&o.arch, "arch", subvol.HostArch(), "architecture to plan for")
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
	info, err := o.inspect(ctx, path, sizesIf(o.sizes, messages))
	switch {
	case err != nil:
		return err
	case o.json:
		return printJSON(w, info)
	}
	return info.print(w)
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

func (o inspectOptions) inspect(ctx context.Context, path string, measure sizes) (imageInfo, error) {
	i, err := image.Open(path)
	if err != nil {
		return imageInfo{}, err
	}
	defer i.Close()
	info := imageInfo{
		Path: path, Size: i.Size, SectorSize: i.Table.SectorSize, GUID: i.Table.DiskGUID.String(),
		Entries: []entryInfo{}, Lint: []lint.Finding{},
	}
	for _, p := range i.Table.Partitions {
		info.Partitions = append(info.Partitions, describePartition(p))
	}
	boot, err := i.Boot(ctx)
	if err != nil {
		return info, err
	}
	if boot != nil {
		for _, e := range boot.Entries {
			info.Entries = append(info.Entries, describeEntry(e))
		}
	}
	plan, err := planOptions{arch: subvol.CanonicalArch(o.arch)}.plan([]string{path})
	if err != nil {
		info.Failure = err.Error()
	} else {
		described := describePlan(plan)
		info.Plan = &described
	}
	return info, i.WithPool(func(top *os.File) error {
		err := info.lookInto(top)
		measure(top, info.Members)
		return err
	})
}

// lookInto adds what is in the pool.
func (i *imageInfo) lookInto(top *os.File) (err error) {
	if i.Members, err = listMembers(top, "", ""); err != nil || i.Plan == nil {
		return err
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
