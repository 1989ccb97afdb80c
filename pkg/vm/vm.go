package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"syscall"
	"time"
)

// QEMU is the program that machines run in.
const QEMU = "qemu-system-x86_64"

// tailLines is how much console an error shows.
const tailLines = 40

// VM is a running machine. Its methods may be called from several goroutines,
// but two concurrent Expect calls race for the same output.
type VM struct {
	cmd     *exec.Cmd
	console *console
	stdin   io.Writer
	stderr  *bytes.Buffer // read only after done
	monitor *monitor
	ports   []*os.File

	hotplugs int // ports for disks that are left
	disks    int // disks so far, to name the next one

	done chan struct{} // closed when QEMU has gone and its output is read
	exit error         // how it went; read only after done
}

// Start boots a machine. It is killed when ctx ends, when Kill is called, or when
// this process dies, whichever comes first.
func Start(ctx context.Context, c Config) (*VM, error) {
	c, accel := c.ready(ctx)
	args, err := c.args(accel)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", QEMU, err)
	}
	ours, theirs, err := socketPairs(append([]string{"qmp"}, c.Ports...))
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", QEMU, err)
	}
	defer closeAll(theirs)

	v := &VM{
		cmd:      command(ctx, args),
		console:  newConsole(c.Console, outputLimit),
		stderr:   new(bytes.Buffer),
		monitor:  newMonitor(ours[0]),
		ports:    ours[1:],
		hotplugs: c.Hotplug,
		disks:    len(c.Disks),
		done:     make(chan struct{}),
	}
	v.cmd.Stdout, v.cmd.Stderr = v.console, v.stderr
	v.cmd.ExtraFiles = theirs
	if err := v.start(c.Resume); err != nil {
		closeAll(ours)
		return nil, fmt.Errorf("start %s: %w", QEMU, err)
	}
	return v, nil
}

// Port returns our end of the nth of Config.Ports. It takes deadlines; reading it ends
// with the machine. The caller closes it.
func (v *VM) Port(n int) *os.File { return v.ports[n] }

// command prepares QEMU so that nothing of it can be left behind.
func command(ctx context.Context, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, QEMU, args...)
	// A group of its own keeps the terminal's signals away from the guest and
	// lets kill reach helpers too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// start runs QEMU from a thread that lasts as long as it does: the kernel sends
// the parent death signal when the thread that forked ends, not the process. resume is a
// state to go on from, or "".
func (v *VM) start(resume string) error {
	if resume != "" {
		saved, err := os.Open(resume)
		if err != nil {
			return err
		}
		defer saved.Close()
		v.cmd.ExtraFiles = append(v.cmd.ExtraFiles, saved)
	}
	stdin, err := v.cmd.StdinPipe()
	if err != nil {
		return err
	}
	v.stdin = stdin
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := v.cmd.Start()
		started <- err
		if err == nil {
			v.wait()
		}
	}()
	return <-started
}

// wait collects QEMU and lets the waiting ones go.
func (v *VM) wait() {
	v.exit = v.cmd.Wait()
	v.monitor.close()
	v.console.close()
	close(v.done)
}

// Expect waits until the console shows a match of the regular expression, in what
// was printed since the previous match or in what is to come, and returns the
// match and its groups.
//
// Lines are looked at one by one, the last one even before it is complete, for
// the sake of prompts: end a pattern with \n if a group runs to the end of the
// line. Text that spans lines is had from Output afterwards.
//
// A kernel panic or the end of QEMU makes it fail at once (ErrPanic, ErrExited).
func (v *VM) Expect(ctx context.Context, pattern string) ([]string, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("expect: %w", err)
	}
	match, err := v.console.expect(ctx, re)
	if err != nil {
		return nil, v.failure(fmt.Sprintf("expect %q", pattern), err)
	}
	return match, nil
}

// Send types a line on the console.
func (v *VM) Send(line string) error {
	if _, err := io.WriteString(v.stdin, line+"\n"); err != nil {
		return fmt.Errorf("send %q: %w", line, err)
	}
	return nil
}

// Wait waits until QEMU exits, which is when the guest powers off or, as machines
// never restart, reboots. It fails if QEMU failed, was killed, or the guest's
// kernel panicked; a panicked guest is left as it is.
func (v *VM) Wait(ctx context.Context) error {
	for {
		line, changed := v.console.panicked()
		if line != "" {
			return v.failure("wait", fmt.Errorf("%w: %s", ErrPanic, line))
		}
		select {
		case <-v.done:
			if v.exit != nil {
				return v.failure("wait", v.exit)
			}
			return nil
		case <-changed:
		case <-ctx.Done():
			return v.failure("wait", context.Cause(ctx))
		}
	}
}

// Output returns what the guest has printed so far, without carriage returns: all
// of it, or the newest 8 to 16 MiB.
func (v *VM) Output() string { return v.console.output() }

// Kill ends the machine and waits until it is gone. The guest learns nothing of
// it, but what it had written to its disks is in the images.
func (v *VM) Kill() {
	// The only error is that it has gone already.
	_ = v.cmd.Cancel()
	<-v.done
}

// Powercut takes the power from the guest: to it, Kill is just that.
func (v *VM) Powercut() { v.Kill() }

// failure adds to an error what explains it: QEMU's own words if it has ended,
// and the end of the console.
func (v *VM) failure(op string, err error) error {
	select {
	case <-v.done:
		if words := bytes.TrimSpace(v.stderr.Bytes()); len(words) > 0 {
			err = fmt.Errorf("%w: %s", err, words)
		} else if v.exit != nil && !errors.Is(err, v.exit) {
			err = fmt.Errorf("%w: %w", err, v.exit)
		}
	default:
	}
	return fmt.Errorf("%s: %w\nconsole, last %d lines:\n%s",
		op, err, tailLines, v.console.tail(tailLines))
}
