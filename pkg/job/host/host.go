// Package host boots a virtual machine to run one command in it.
//
// It is the host's side of package job; see there for what is said. It needs no privileges
// beyond those to read the disks, and leaves nothing behind: the machine ends with the
// command, without a shutdown, as nothing of it is kept. So its disks should be volatile.
//
// What the guest says is not trusted: frames are bounded, and a guest that breaks the
// protocol, or keeps silent for too long, is ended.
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/freshroot/freshroot/pkg/job"
	"github.com/freshroot/freshroot/pkg/vm"
)

// The causes for which there is no status of the command. Run wraps them.
var (
	// ErrNotUp means that the guest did not get as far as to start the command.
	ErrNotUp = errors.New("the guest did not come up")
	// ErrTimeout means that the command took too long.
	ErrTimeout = errors.New("the command took too long")
	// ErrLost means that the guest ended, or went wrong, before the command did.
	ErrLost = errors.New("the guest was lost before the command had ended")
)

// Options say how a job is run.
type Options struct {
	Boot, Run      time.Duration // the longest that each may take; 0 is without end
	Stdout, Stderr io.Writer     // get what the command writes, as it comes
	Up             func()        // is called before the command writes anything; may be nil
}

// Result tells of a command that has ended.
type Result struct {
	Status int           // of the command; 128 and the signal, if that ended it
	Boot   time.Duration // until the command was started
	Run    time.Duration // until it had ended
}

// Run boots the machine, runs the job in it and ends it. c must not have a port of the
// job's name. Errors are those above, and those of ctx.
func Run(ctx context.Context, c vm.Config, j job.Job, o Options) (Result, error) {
	encoded, err := j.Encode()
	if err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	v, err := vm.Start(ctx, withJob(c, encoded))
	if err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrNotUp, err)
	}
	defer v.Kill()
	port := v.Port(len(c.Ports))
	defer port.Close()
	t := &talk{port: port, job: encoded, options: o, cancel: cancel, began: time.Now()}
	if err := t.supervise(ctx, v); err != nil {
		return t.result, t.explain(ctx, err)
	}
	return t.result, nil
}

// withJob adds to a machine what the job needs. A small one goes with the firmware.
func withJob(c vm.Config, encoded []byte) vm.Config {
	c.Ports = append(slices.Clone(c.Ports), job.Port)
	if len(encoded) <= job.MaxCredential {
		c.ExtraArgs = append(slices.Clone(c.ExtraArgs),
			"-smbios", "type=11,value="+job.SMBIOS(encoded))
	}
	return c
}
