package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/freshroot/freshroot/pkg/job"
	"github.com/freshroot/freshroot/pkg/vm"
)

// talk is the conversation with a guest.
type talk struct {
	port    io.ReadWriter
	job     []byte
	options Options
	cancel  context.CancelCauseFunc

	timer  *time.Timer // of the part that we are in, or nil
	began  time.Time   // the same part
	up     bool
	result Result
}

// supervise talks until the command or the machine ends, whichever is first.
func (t *talk) supervise(ctx context.Context, v *vm.VM) error {
	t.limit(t.options.Boot, ErrNotUp)
	said, ended := make(chan error, 1), make(chan error, 1)
	go func() { said <- t.talk() }()
	go func() { ended <- v.Wait(ctx) }()
	select {
	case err := <-said:
		if !errors.Is(err, io.EOF) {
			return err
		}
		return off(v, <-ended) // which knows why
	case err := <-ended:
		v.Kill() // ends the conversation; what was said until then counts
		if <-said == nil {
			return nil
		}
		return off(v, err)
	}
}

// off says why a machine is off that has ended with an error, or without one, by itself.
func off(v *vm.VM, err error) error {
	if err != nil {
		return err
	}
	const last = 40
	lines := strings.SplitAfter(v.Output(), "\n")
	return fmt.Errorf("it has switched itself off\nconsole, last %d lines:\n%s",
		last, strings.Join(lines[max(0, len(lines)-last):], ""))
}

// talk leads the conversation to its end, when the result is complete.
func (t *talk) talk() error {
	r := bufio.NewReader(t.port)
	if err := t.greet(r); err != nil {
		return err
	}
	for {
		f, err := job.ReadFrame(r)
		if err != nil {
			return err
		}
		if ended, err := t.take(f); ended || err != nil {
			return err
		}
	}
}

// greet waits until the guest is up, and gives it the job if it asks.
func (t *talk) greet(r io.Reader) error {
	f, err := job.ReadFrame(r)
	switch {
	case err != nil:
		return err
	case f.Kind != job.Hello && f.Kind != job.Want:
		return fmt.Errorf("the guest begins with a frame %q", f.Kind)
	case string(f.Data) != job.Version:
		return fmt.Errorf("the guest speaks version %q of the protocol, and we %s: "+
			"use the same freshroot on both sides", f.Data, job.Version)
	}
	t.up, t.result.Boot = true, time.Since(t.began)
	t.began = time.Now()
	t.limit(t.options.Run, ErrTimeout)
	if t.options.Up != nil {
		t.options.Up()
	}
	if f.Kind == job.Want {
		return job.WriteFrame(t.port, job.Frame{Kind: job.Run, Data: t.job})
	}
	return nil
}

// take takes a frame of a guest that is up, and says whether it is the last one.
func (t *talk) take(f job.Frame) (last bool, err error) {
	switch f.Kind {
	case job.Stdout:
		_, err = t.options.Stdout.Write(f.Data)
		return false, err
	case job.Stderr:
		_, err = t.options.Stderr.Write(f.Data)
		return false, err
	case job.Exit:
		t.result.Run = time.Since(t.began)
		t.result.Status, err = status(f.Data)
		return true, err
	case job.Fail:
		return true, fmt.Errorf("the guest says: %q", f.Data)
	}
	return true, fmt.Errorf("the guest sends a frame %q", f.Kind)
}

// status reads the status of a process.
func status(data []byte) (int, error) {
	n, err := strconv.ParseUint(string(data), 10, 8)
	if err != nil {
		return 0, fmt.Errorf("the guest reports status %q", data)
	}
	return int(n), nil
}

// limit ends everything with a cause when a time has passed; it takes the place of the
// limit before.
func (t *talk) limit(d time.Duration, cause error) {
	if t.timer != nil {
		t.timer.Stop()
	}
	if d > 0 {
		t.timer = time.AfterFunc(d, func() { t.cancel(fmt.Errorf("%w (%v)", cause, d)) })
	}
}

// explain says what an error means for the job.
func (t *talk) explain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, ErrNotUp) {
		return cause // of which the console tells nothing
	}
	switch {
	case errors.Is(err, ErrNotUp):
		return err
	case t.up:
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return fmt.Errorf("%w: %w", ErrNotUp, err)
}
