package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/job"
	"github.com/freshroot/freshroot/pkg/job/host"
)

// The statuses of "freshroot ci run" that are not the command's, as timeout(1) and
// container tools have them.
const (
	exitTimeout     exitStatus = 124
	exitNotRun      exitStatus = 125
	exitInterrupted exitStatus = 130 // 128 and SIGINT
)

func ciCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "ci",
		Short: "Run a command in a virtual machine that boots an image",
	}
	c.AddCommand(ciRunCommand(), ciGuestCommand(), ciInitCommand())
	return group(c)
}

// ciRun is the flags of "freshroot ci run".
type ciRun struct {
	boot, run         time.Duration
	memory, cpus      int
	firmware          bool
	kernel, initramfs string
	cmdline           string
	console           string
	copyIn, copyOut   []string
	json              string
}

func ciRunCommand() *cobra.Command {
	var r ciRun
	c := &cobra.Command{
		Use:   "run [flags] IMAGE -- COMMAND [ARG...]",
		Short: "Boot an image, run a command in it, and return its status",
		Long: `Boot a disk image in a virtual machine, with volatile=yes, and run a command in it
as root. What it writes is written here, as it comes; it has no input. When it has
ended, the machine is switched off. The image is never changed: what the guest writes
to its disk goes to a temporary file, and with the machine.

The guest needs the tool, and freshroot-ci.service or what stands for it. The kernel
and the command line are those that systemd-boot would take from the image's EFI
system partition; they are booted without firmware, which takes less time, unless
--firmware is given. KVM is used where it works. No privileges are needed.

Exit status: that of the command; 128 and the number of the signal that ended it; 127
if there is no such command, 126 if it cannot be executed; 124 if it took longer than
--timeout; 125 if the guest did not come up, or was lost before the command ended, or
the summary cannot be written; 130 if it was interrupted; 2 for wrong usage.`,
		Example: `  freshroot ci run disk.img -- systemctl --failed
  freshroot ci run --timeout 10m disk.img -- sh -c 'cd /srv/app && exec ./test'`,
		Args: arguments(imageAndCommand),
		RunE: func(c *cobra.Command, args []string) error { return r.execute(c, args[0], args[1:]) },
	}
	r.flags(c)
	return c
}

// imageAndCommand checks the arguments: without the dashes, flags of the command would
// be taken for ours.
func imageAndCommand(c *cobra.Command, args []string) error {
	if c.ArgsLenAtDash() != 1 || len(args) < 2 {
		return errors.New("want IMAGE -- COMMAND [ARG...]")
	}
	return nil
}

func (r *ciRun) flags(c *cobra.Command) {
	f := c.Flags()
	f.DurationVar(&r.boot, "boot-timeout", 10*time.Minute, "the longest `TIME` until the guest is up")
	f.DurationVar(&r.run, "timeout", time.Hour, "the longest `TIME` that the command may take; 0 is any")
	f.IntVar(&r.memory, "memory", 2048, "memory of the machine, in `MIB`")
	f.IntVar(&r.cpus, "cpus", runtime.NumCPU(), "`NUMBER` of CPUs")
	f.BoolVar(&r.firmware, "firmware", false, "boot by UEFI firmware and the image's boot loader")
	f.StringVar(&r.kernel, "kernel", "", "boot this kernel `FILE`, not the image's")
	f.StringVar(&r.initramfs, "initramfs", "", "with --kernel: the initramfs `FILE` for it")
	f.StringVar(&r.cmdline, "cmdline", "", "append `OPTIONS` to the kernel command line")
	f.StringVar(&r.console, "console", "",
		"write the guest's console to `FILE`, or - for standard error (default: shown if it does not boot)")
	f.StringArrayVar(&r.copyIn, "copy-in", nil,
		"copy a file or directory `HOST:GUEST` before the command; can be repeated")
	f.StringArrayVar(&r.copyOut, "copy-out", nil,
		"copy a file or directory `GUEST:HOST` after the command; can be repeated")
	f.StringVar(&r.json, "json", "", "write a summary as JSON to `FILE`")
}

// execute runs the command. The temporary files go also if we are told to end.
func (r *ciRun) execute(c *cobra.Command, image string, argv []string) error {
	if err := r.check(); err != nil {
		return usageError{err}
	}
	ctx, stop := untilSignal(c.Context())
	defer stop()
	// Who reads our output may go: that is an error of a write, not our death.
	signal.Ignore(syscall.SIGPIPE)
	mission := ciMission{ciRun: r, image: image, argv: argv}
	var err error
	if mission.in, mission.out, err = r.parseCopies(); err != nil {
		return err
	}
	say := func(err error) { fmt.Fprintf(c.ErrOrStderr(), "%s: %v\n", c.CommandPath(), err) }
	summary, err := r.openSummary()
	if err != nil {
		say(err)
		return exitNotRun
	}
	line := r.progress(c.ErrOrStderr())
	line.update("boot", 0, 0)
	result, err := mission.execute(ctx, host.Options{
		Boot: r.boot, Run: r.run, Stdout: c.OutOrStdout(), Stderr: c.ErrOrStderr(), Up: line.end,
	})
	line.end()
	status := exitStatus(result.Status)
	if err != nil {
		status = statusOf(err)
		say(stopped(ctx, err))
	}
	if err := summarize(summary, result, status, err); err != nil {
		say(err)
		status = cmp.Or(status, exitNotRun)
	}
	if status != 0 {
		return status
	}
	return nil
}

// check refuses flags that make no machine.
func (r *ciRun) check() error {
	switch {
	case r.memory < 1:
		return fmt.Errorf("--memory %d: a machine has 1 MiB at least", r.memory)
	case r.cpus < 1:
		return fmt.Errorf("--cpus %d: a machine has one at least", r.cpus)
	case r.initramfs != "" && r.kernel == "":
		return errors.New("--initramfs needs --kernel")
	}
	return nil
}

// progress shows how long the boot takes, unless the console shows what it does.
func (r *ciRun) progress(stderr io.Writer) *progressLine {
	if r.console == "-" {
		return nil
	}
	return newLateLine(stderr)
}

// statusOf returns the status for a command that has none.
func statusOf(err error) exitStatus {
	switch {
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, host.ErrTimeout):
		return exitTimeout
	}
	return exitNotRun
}

// ciMission is a command to be run in an image.
type ciMission struct {
	*ciRun
	image   string
	argv    []string
	in, out []ciCopy
}

// execute makes the machine and runs the command in it.
func (m *ciMission) execute(ctx context.Context, o host.Options) (result host.Result, err error) {
	dir, err := os.MkdirTemp("", "freshroot-ci")
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	config, err := m.machine(ctx, m.image, dir)
	if err != nil {
		return result, err
	}
	if err := makeDisks(ctx, dir, m.in, m.out); err != nil {
		return result, err
	}
	in, inDisks := copies(m.in)
	out, outDisks := copies(m.out)
	config.Disks = slices.Concat(config.Disks, inDisks, outDisks)
	console, err := m.openConsole(o.Stderr)
	if err != nil {
		return result, err
	}
	defer console.Close()
	config.Console = console
	result, err = host.Run(ctx, config, job.Job{Argv: m.argv, In: in, Out: out}, o)
	if err != nil {
		return result, err
	}
	return result, unpackOut(ctx, m.out)
}
