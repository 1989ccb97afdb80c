package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/units"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// growOptions are the flags of the command.
type growOptions struct {
	arch         string
	dryRun, json bool
}

func growCommand() *cobra.Command {
	var o growOptions
	c := &cobra.Command{
		Use:   "grow [flags] [DISK_OR_IMAGE]",
		Short: "Let the pool use a disk that is larger",
		Long: `Extend the partition of the pool to the end of its disk, if it is the last one there,
and the file system to the end of its partition: by default those that this machine
runs from, while it runs. Nothing is ever made smaller.

Power may go at any instant. The boot does the same where the partition has the
attribute grow-file-system, unless volatile=yes or overlay is asked for.`,
		Example: `  freshroot grow --dry-run
  truncate -s 8G disk.img && freshroot grow disk.img`,
		Args: arguments(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.OutOrStdout(), args) },
	}
	f := c.Flags()
	f.StringVar(&o.arch, "arch", subvol.HostArch(), "architecture of a disk or an image that is named")
	f.BoolVar(&o.dryRun, "dry-run", false, "only tell how large they would be")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return c
}

// growth is what became larger, for programs.
type growth struct {
	Device     string  `json:"device"`
	Partition  resized `json:"partition"`
	FileSystem resized `json:"file_system"`
	Why        string  `json:"why,omitempty"` // the partition cannot grow
}

// resized is a size that changes, or not, in bytes.
type resized struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
}

func (o growOptions) run(w io.Writer, args []string) error {
	if err := needsRoot("growing a pool"); err != nil {
		return err
	}
	running, err := readBoot()
	if err != nil && (len(args) == 0 || !errors.Is(err, errNotBooted)) {
		return err
	}
	path, partition := "/dev/"+running.Pool.Disk, running.Pool.Device
	if len(args) > 0 {
		path, partition = args[0], ""
	}
	p, err := o.find(path, partition)
	if err != nil {
		return err
	}
	g, err := o.grow(path, p, running)
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(w, g)
	}
	g.print(w, o.dryRun)
	return nil
}

// find finds the pool on a disk: the partition that is named, or the one that would boot.
func (o growOptions) find(path, partition string) (volatile.Partition, error) {
	d := device.ReadDisk(path)
	if d.Size == 0 && d.Err != nil {
		return volatile.Partition{}, d.Err
	}
	opts := volatile.Options{Root: partition}
	if len(d.Partitions) == 1 && d.Partitions[0].Number == 0 {
		opts.Root = path // it is one file system, which has to be named
	}
	return volatile.FindPool([]volatile.Disk{d}, opts, subvol.CanonicalArch(o.arch), "")
}

// grow grows the partition, then what is in it. The size of the file system is asked of
// the kernel: what a disk in use shows of a superblock may be old.
func (o growOptions) grow(path string, p volatile.Partition, running bootRecord) (growth, error) {
	g := growth{Device: p.Device, Partition: resized{p.Size, p.Size}}
	if p.Number > 0 {
		if err := o.growPartition(path, p, &g); err != nil {
			return g, err
		}
	}
	p.Size = g.Partition.After
	fs := &g.FileSystem
	grow := func(top *os.File) error { return fs.grow(top, p.Size) }
	switch {
	case o.dryRun:
		err := withPool(path, p, func(top *os.File) (err error) {
			fs.Before, err = btrfs.Size(top)
			fs.After = max(fs.Before, p.Size)
			return err
		})
		return g, err
	case p.UUID == running.Pool.UUID:
		return g, running.changePool(grow)
	}
	return g, changeOther(path, p, grow)
}

// changeOther lets f change a pool that this machine does not run from.
func changeOther(disk string, p volatile.Partition, f func(pool *os.File) error) error {
	pool, err := mountPool(disk, p, true)
	if err != nil {
		return err
	}
	defer pool.Close()
	return f(pool)
}

// growPartition grows a partition, or only says how large it would be. One that has no
// room is no failure: its file system may have some.
func (o growOptions) growPartition(path string, p volatile.Partition, g *growth) error {
	mode := os.O_RDWR
	if o.dryRun {
		mode = os.O_RDONLY
	}
	disk, err := os.OpenFile(path, mode, 0)
	if err != nil {
		return err
	}
	defer disk.Close()
	plan, err := device.PlanGrowth(disk, p.Number)
	switch {
	case errors.Is(err, gpt.ErrNoRoom):
		g.Why = err.Error()
		return nil
	case err != nil:
		return err
	case plan.New.Size < btrfs.LeastSize:
		return fmt.Errorf("%s would have %s: the kernel resizes no btrfs of less than %s",
			p.Device, units.Bytes(plan.New.Size), units.Bytes(int64(btrfs.LeastSize)))
	}
	g.Partition.After = plan.New.Size
	if o.dryRun {
		return nil
	}
	return device.Grow(disk, plan)
}

// grow makes a mounted file system as large as its partition.
func (r *resized) grow(top *os.File, partition int64) (err error) {
	r.Before, err = btrfs.Size(top)
	r.After = r.Before
	if err != nil || r.Before == partition {
		return err
	}
	if err := btrfs.Grow(top); err != nil {
		return err
	}
	r.After, err = btrfs.Size(top)
	return err
}

func (g growth) print(w io.Writer, dryRun bool) {
	row := func(title string, r resized) {
		change := "stays"
		switch {
		case r.Before != r.After && dryRun:
			change = "would become " + units.Bytes(r.After)
		case r.Before != r.After:
			change = "is now " + units.Bytes(r.After)
		}
		fmt.Fprintf(w, "%-12s %s: %s\n", title, units.Bytes(r.Before), change)
	}
	fmt.Fprintf(w, "%-12s %s\n", "pool", printable(g.Device))
	row("partition", g.Partition)
	row("file system", g.FileSystem)
	if g.Why != "" {
		fmt.Fprintf(w, "%-12s %s\n", "because", printable(g.Why))
	}
}
