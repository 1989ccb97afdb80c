package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/cmdline"
	"github.com/freshroot/freshroot/pkg/facts"
	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// planOptions are the flags of the command.
type planOptions struct {
	cmdline, kernel, arch string
	json                  bool
}

func planCommand() *cobra.Command {
	var o planOptions
	c := &cobra.Command{
		Use:   "plan [flags] DISK_OR_IMAGE...",
		Short: "Explain what a disk or an image would boot, and why",
		Long: `Explain what a machine with these disks would boot: which partition is the pool,
which version is picked, why others are passed over, and each step to the root.
It is the decision that the initramfs makes, and it changes not a byte.

Reading the members of the pool needs root, since the kernel mounts the pool for
it, read-only and out of sight of other processes.

Exit status: 0 if it would boot, 1 if it would not, 2 for wrong usage.`,
		Example: `  freshroot plan disk.img
  freshroot plan --cmdline "volatile=yes freshroot.usr=1.2" --kernel 6.1.0-56-amd64 /dev/sda`,
		Args: arguments(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.OutOrStdout(), args) },
	}
	o.flags(c)
	return c
}

// flags adds what a machine is planned for by.
func (o *planOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.cmdline, "cmdline", "", "kernel command line to plan for")
	f.StringVar(&o.kernel, "kernel", "", "kernel release to plan for (default: its modules are not checked)")
	f.StringVar(&o.arch, "arch", subvol.HostArch(), "architecture to plan for")
	f.BoolVar(&o.json, "json", false, "print JSON")
}

func (o planOptions) run(w io.Writer, paths []string) error {
	plan, err := o.plan(paths)
	var failure *volatile.Failure
	switch {
	case errors.As(err, &failure):
		o.printFailure(w, failure)
		return errSaid
	case err != nil:
		return err
	case o.json:
		return printJSON(w, describePlan(plan))
	}
	plan.WriteText(w)
	return nil
}

// plan makes the plan of the initramfs, from disks that are not booting.
func (o planOptions) plan(paths []string) (volatile.Plan, error) {
	opts, warnings := volatile.ParseOptions(cmdline.Parse(o.cmdline))
	opts.Timeout = 0 // what is not there now is not waited for
	arch, err := knownArch(o.arch)
	if err != nil {
		return volatile.Plan{}, err
	}
	disks, err := readDisks(paths)
	if err != nil {
		return volatile.Plan{}, err
	}
	found, err := volatile.FindPool(disks, opts, arch, "")
	if err != nil {
		return volatile.Plan{}, err
	}
	var plan volatile.Plan
	err = withPool(diskOf(found, paths), found, func(dir *os.File) error {
		known, err := facts.Gather(dir, found, opts, arch, o.kernel)
		if err != nil {
			return err
		}
		plan, err = volatile.New(known)
		return err
	})
	plan.Warnings = append(warnings, plan.Warnings...)
	return plan, err
}

// knownArch returns systemd's name of an architecture that there are types of partitions for.
func knownArch(name string) (string, error) {
	arch, known := subvol.CanonicalArch(name), gpt.Architectures()
	if !slices.Contains(known, arch) {
		return "", usageError{fmt.Errorf("architecture %q is not known; known: %s",
			name, strings.Join(known, ", "))}
	}
	return arch, nil
}

func (o planOptions) printFailure(w io.Writer, f *volatile.Failure) {
	if o.json {
		_ = printJSON(w, describeError(f))
		return
	}
	fmt.Fprintf(w, "would not boot: %v\n", f)
	printHelp(w, f)
}

// planJSON is the plan for programs.
type planJSON struct {
	Pool     volatile.Partition `json:"pool"`
	Kernel   string             `json:"kernel,omitempty"`
	Arch     string             `json:"arch"`
	Mode     volatile.Mode      `json:"mode"`
	Usr      string             `json:"usr"`
	Version  string             `json:"version"`
	Degraded bool               `json:"degraded"`
	Skipped  []volatile.Skipped `json:"skipped"`
	Older    int                `json:"older"`
	Instance string             `json:"instance,omitempty"`
	Steps    []string           `json:"steps"`
	Warnings []string           `json:"warnings"`
}

func describePlan(p volatile.Plan) planJSON {
	j := planJSON{
		Pool: p.Pool, Kernel: p.Kernel, Arch: p.Arch, Mode: p.Options.Mode,
		Usr: p.Usr.Entry, Version: p.Usr.Member.Version, Degraded: p.Usr.Degraded,
		Skipped: append([]volatile.Skipped{}, p.Usr.Skipped...), Older: p.Usr.Older,
		Instance: p.Instance, Warnings: append([]string{}, p.Warnings...),
	}
	for _, step := range p.Steps {
		j.Steps = append(j.Steps, step.String())
	}
	return j
}
