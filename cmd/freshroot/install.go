package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/image"
)

// installOptions are the flags of the command.
type installOptions struct {
	fillFlags
	bootFlags
	from, sha256, espSize, compress string
	fromRunning, noFirmware         bool
	yes, wipe, dryRun, json         bool
}

func installCommand() *cobra.Command {
	var o installOptions
	c := &cobra.Command{
		Use:   "install [flags] {--usr SOURCE | --from URL | --from-running} DISK",
		Short: "Install an OS to a disk",
		Long: `Make a disk boot an OS: what "freshroot image build" makes in a file, of a source, of
one that is fetched from a URL, or of the golden master that is running.

What is on the disk is shown, and is lost. A disk that is in use is refused, and one
that holds something is unless --wipe is given. All that was written is read back, and
the partition table is written last: until then nothing boots from the disk.

A connection that breaks off while a URL is fetched is made again for the rest, if the
server says that the file is still the same.

--vendor and --version name what is installed; the running version has its name.

Exit status: 0 if it is done, 1 if it failed, 2 for wrong usage.`,
		Example: `  freshroot install --from-running /dev/sdb
  freshroot install --usr os.tar.zst --vendor org.example.os --version 1.0 --wipe --yes /dev/sda`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return o.run(c.Context(), c.InOrStdin(), c.OutOrStdout(), args[0])
		},
	}
	o.fillFlags.add(c, 0)
	o.bootFlags.add(c, true)
	f := c.Flags()
	f.BoolVar(&o.fromRunning, "from-running", false, "install the golden master that is running")
	f.StringVar(&o.from, "from", "", "`URL` to fetch the source from, by HTTP")
	f.StringVar(&o.sha256, "sha256", "", "`DIGEST` that what is fetched must have")
	f.StringVar(&o.espSize, "esp-size", "512M", "`SIZE` of the EFI system partition")
	f.StringVar(&o.compress, "compress", "zstd", "of the pool: zstd, zstd:LEVEL or none")
	f.BoolVar(&o.noFirmware, "no-firmware", false,
		"do not register the boot loader with the firmware")
	f.BoolVar(&o.wipe, "wipe", false, "overwrite a disk that is not empty")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "only show the disk, and what would be made of it")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return c
}

// installed is what was done, for programs.
type installed struct {
	image.Result
	Disk     device.Contents `json:"disk"`               // as it was before
	Firmware string          `json:"firmware,omitempty"` // the load option: Boot0001
}

func (o *installOptions) run(ctx context.Context, in io.Reader, w io.Writer, path string) error {
	t, err := o.open(path)
	if err != nil {
		return err
	}
	defer t.disk.Close()
	said := w
	if o.json {
		said = io.Discard
	}
	describeContents(said, t.contents)
	line := newProgressLine(os.Stderr)
	t.plan.Fill.Progress = line.update
	// All that can be known is found out before anything is lost.
	content, done, err := o.content(ctx, t.plan, line)
	if err != nil {
		return err
	}
	defer done()
	if o.dryRun {
		return t.print(w, o.json)
	}
	if err := o.allow(in, said, t.contents); err != nil {
		return fmt.Errorf("install to %s: %w", path, err)
	}
	result, err := t.install(ctx, content)
	line.end()
	if err != nil {
		err = adviseESP(err, "give a larger --esp-size")
		return fmt.Errorf("install to %s: %w; %s", path, err, left(t.disk))
	}
	return o.finish(w, t, result)
}

// target is a disk that is ours, and what it will be.
type target struct {
	disk     *os.File
	contents device.Contents
	plan     image.Plan
}

// open opens the disk, so that nobody else can use it from now on, and plans.
func (o *installOptions) open(path string) (t target, err error) {
	if err := o.check(); err != nil {
		return t, err
	}
	if err := needsRoot("installing to a disk"); err != nil {
		return t, err
	}
	if t.disk, err = device.OpenExclusive(path); err != nil {
		return t, err
	}
	t.contents, err = device.Look(t.disk)
	if err == nil {
		t.plan, err = o.plan(path, t.contents)
	}
	if err != nil {
		t.disk.Close()
	}
	return t, err
}

// installPlan is what would be done, for programs.
type installPlan struct {
	buildPlan
	Disk device.Contents `json:"disk"` // as it is
}

// print tells what would be made of the disk, of which the contents were described.
func (t target) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(w, installPlan{describeBuild(t.plan), t.contents})
	}
	return printBuild(w, t.plan, false)
}

// install does it, until somebody interrupts it.
func (t target) install(ctx context.Context, with image.Content) (image.Result, error) {
	ctx, stop := untilSignal(ctx)
	defer stop()
	result, err := image.Install(ctx, t.disk, t.contents, with, t.plan)
	return result, stopped(ctx, err)
}

// finish tells the firmware and the person. That the firmware does not want to know is no
// failure: most find the disk anyway.
func (o *installOptions) finish(w io.Writer, t target, r image.Result) error {
	done := installed{r, t.contents, ""}
	if err := o.register(&done, t.plan); err != nil {
		done.Warnings = append(done.Warnings, "The firmware does not know of it, "+
			"and may have to be told: "+err.Error()+".")
	}
	if o.json {
		return printJSON(w, done)
	}
	done.print(w)
	return nil
}

func (i installed) print(w io.Writer) {
	for _, warning := range i.Warnings {
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
	fmt.Fprintf(w, "%s boots %s with Linux %s\n", printable(i.Output), i.Usr, i.Kernel)
	if i.Firmware != "" {
		fmt.Fprintf(w, "the firmware boots it next: %s\n", i.Firmware)
	}
}
