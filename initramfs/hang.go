package main

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/volatile"
)

// hangError is the error of what does not end.
type hangError struct{ limit time.Duration }

// Error says how long was waited for a sign of life.
func (e *hangError) Error() string {
	return fmt.Sprintf("nothing was read or written for %v", e.limit)
}

// within does something that may never end, as long as it goes on: the error is a
// *hangError if moved, which tells how much was done so far, has said the same for as long
// as limit. 0 is no limit.
//
// What hangs in the kernel cannot be stopped, only be left behind on its thread.
func within(limit time.Duration, moved func() int64, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- guard(do) }()
	if limit == 0 {
		return <-done
	}
	for before := moved(); ; {
		select {
		case err := <-done:
			return err
		case <-time.After(limit):
		}
		now := moved()
		if now == before {
			return &hangError{limit}
		}
		before = now
	}
}

// transferred returns how much this process has read from disks and written to them, in
// blocks, as getrusage(2) has it: 0 from a kernel that does not count that.
func transferred() int64 {
	var use unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &use) != nil {
		return 0
	}
	return use.Inblock + use.Oublock
}

// limited does a phase or a step before its deadline.
func (b *boot) limited(name string, more time.Duration, do func() error) error {
	limit := time.Duration(b.opts.Deadline) * time.Second
	if limit > 0 {
		limit += more
	}
	err := within(limit, transferred, do)
	if hang, is := err.(*hangError); is {
		return hangFailure(name, hang, b.modules.underWay())
	}
	return err
}

// hangFailure is for what does not end.
func hangFailure(name string, hang *hangError, modules []string) error {
	f := &volatile.Failure{
		Problem: volatile.Hang,
		What:    "this does not come to an end: " + name,
		Err:     hang,
		Do: []string{
			"look at the kernel's messages above: a disk or its driver may not answer",
			"if it is only slow, allow more seconds: freshroot.deadline=900, or off",
		},
	}
	if len(modules) > 0 {
		f.Seen = []string{"modules that are being loaded: " + strings.Join(modules, " ")}
	}
	return f
}
