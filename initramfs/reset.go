package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/freshroot/freshroot/pkg/facts"
	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// renew resets the instance or brings an old state back. If that fails, the boot goes on
// with what there is: who asked for it sees that it was not done, and it is asked for
// again at the next boot.
func (b *boot) renew(step volatile.Step) {
	pool, err := os.Open(volatile.PoolDir)
	if err == nil {
		defer pool.Close()
	}
	switch s := step.(type) {
	case volatile.Reset:
		if err == nil {
			s, err = b.takeOver(pool, s, forgetFirmware)
		}
		b.record.reset = []field{{"scope", string(s.Scope)}, {"why", s.Why}}
		if err == nil {
			err = b.reset(pool, s)
		}
	case volatile.Undo:
		b.record.reset = []field{{"undo", s.Entry}}
		if err == nil {
			err = b.undo(pool, s)
		}
	}
	b.note("done", err == nil)
	if err != nil {
		b.warn("THE RESET OR UNDO WAS NOT DONE: " + err.Error())
		b.note("error", err.Error())
	}
}

// note adds to the record of the reset.
func (b *boot) note(key string, value any) {
	b.record.reset = append(b.record.reset, field{key, value})
}

// reset resets, and then forgets who asked for it. The old state's own keep list is
// what it is asked about.
func (b *boot) reset(pool *os.File, s volatile.Reset) error {
	golden, err := rootfs.OpenDir(pool, b.plan.Usr.Entry)
	if err != nil {
		return err
	}
	defer golden.Close()
	rules, problems := facts.Keep(pool, b.plan.Usr.Entry, s.Instance)
	b.warnAll("keep list", problems)
	target := instance.Target{
		Pool: pool, Name: s.Instance, Usr: b.plan.Usr.Member, Golden: golden,
	}
	result, err := target.Reset(s.Scope, rules, time.Now())
	b.note("trashed", result.Trashed)
	b.note("spared", result.Spared)
	var flawed *instance.CheckError
	if errors.As(err, &flawed) {
		// It was done. Once more would throw away what comes after it.
		b.forget(pool, s)
	}
	if err != nil {
		return err
	}
	if result.Full {
		b.warn("the disk was full: the old state of " + s.Instance + " is deleted and cannot be brought back")
	}
	spared := strings.Join(append([]string{"kept:"}, volatile.Clip(result.Spared)...), " ")
	b.log.info(fmt.Sprintf("reset %s of %s, as %s asks for; %s", s.Scope, s.Instance,
		strings.Join(s.Why, " and "), spared))
	b.forget(pool, s)
	return nil
}

// forget drops the request that is fulfilled.
func (b *boot) forget(pool *os.File, s volatile.Reset) {
	if s.Request {
		b.warnForgotten(instance.DropRequest(pool, s.Instance))
	}
}

// warnForgotten warns of a request that is fulfilled and cannot be dropped.
func (b *boot) warnForgotten(err error) {
	if err != nil {
		b.warn("what is done now will be done once more at the next boot: " + err.Error())
	}
}

// undo brings an old state back. One that is no longer there is not asked for again.
func (b *boot) undo(pool *os.File, s volatile.Undo) error {
	entry, err := reset.ParseTrashed(s.Entry)
	if err != nil {
		return err
	}
	err = instance.Undo(pool, entry)
	if err == nil {
		b.log.info("brought back " + s.Entry)
	}
	if err == nil || errors.Is(err, os.ErrNotExist) {
		b.warnForgotten(instance.DropRequest(pool, s.Instance))
	}
	return err
}
