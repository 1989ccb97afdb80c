package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/mount"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// panicFailure is for faults of our own.
func panicFailure(cause any, stack []string) error {
	return &volatile.Failure{
		Problem: volatile.Panic,
		What:    fmt.Sprintf("freshroot itself has a fault: %v", cause),
		Seen:    stack,
		Do:      []string{"report this screen at https://github.com/freshroot/freshroot/issues"},
	}
}

func mountFailure(err error, p volatile.Partition) error {
	return &volatile.Failure{
		Problem: volatile.NoMount,
		What:    "the pool cannot be mounted",
		Err:     err,
		Seen:    []string{p.Device + ": btrfs " + p.UUID},
		Do: []string{
			"if the disk can only be read, boot with volatile=yes",
			"else look at the kernel's messages above, and check it from another system: btrfs check " + p.Device,
		},
	}
}

// stepFailure gives the steps that fail for a known reason words of their own.
func stepFailure(step volatile.Step, err error) error {
	var told *volatile.Failure
	if errors.As(err, &told) {
		return err
	}
	f := &volatile.Failure{Problem: volatile.Other, What: "cannot " + step.String(), Err: err}
	switch s := step.(type) {
	case volatile.Instantiate:
		f.Problem, f.What = volatile.Unwritable, "the instance "+s.Name+" cannot be written"
		f.Do = []string{
			"boot with volatile=yes, which writes nothing, and look at the pool from there:",
			"is it full (btrfs filesystem usage), read-only, or is a file where a directory should be?",
			"or begin anew with the factory: freshroot.reset=all",
		}
	case volatile.Populate:
		if errors.Is(err, unix.ENOSPC) {
			f.Problem, f.What = volatile.TmpfsFull, "the factory does not fit into the RAM that "+s.To+" may use"
			f.Do = []string{
				"allow more: freshroot.tmpfs=size=50% (or nr_inodes=), or give the machine more memory",
				"or keep the root on disk: volatile=no",
			}
		}
	}
	return f
}

func initFailure(err error, plan volatile.Plan) error {
	f := &volatile.Failure{
		Problem: volatile.NoInit,
		What:    plan.Usr.Entry + " has no init that can be executed",
		Do:      []string{"correct init= on the kernel command line, or leave it out", "or boot another version with freshroot.usr="},
	}
	var missing *mount.NoInitError
	if !errors.As(err, &missing) {
		f.Err = err
		return f
	}
	for _, tried := range missing.Tried {
		f.Seen = append(f.Seen, tried.Error())
	}
	return f
}

// What is done after a failure has a deadline, too.
const (
	lastWords = 10 * time.Second // for what goes to a disk
	lastDeed  = 30 * time.Second // for the kernel to shut all devices down
)

// fail shows the failure screen and does what is to be done then. It never returns.
func (b *boot) fail(err error) {
	var f *volatile.Failure
	if !errors.As(err, &f) {
		f = &volatile.Failure{Problem: volatile.Other, What: err.Error()}
	}
	action, delay := b.onFailure()
	b.log.error(f.Error())
	screen := f.Screen(b.kernel, b.cmdline, then(action, delay))
	show(screen)
	err = within(lastWords, transferred, func() error { return b.saveLog(screen) })
	if err != nil {
		show([]string{"the log of this boot is not kept: " + err.Error()})
	}
	if action == "shell" {
		if err := shell(); err != nil {
			show([]string{"no shell: " + err.Error()})
		}
		action = "halt"
	}
	// A disk that hangs must not keep the machine from what follows.
	_ = within(lastWords, transferred, func() error { unix.Sync(); return nil })
	time.Sleep(delay)
	end(action)
}

// onFailure decides what follows the failure screen. panic= is the kernel's way to
// ask for a reboot when nobody watches. A version that was counted has another try, or
// one to fall back to; where there is neither, or the counting is what fails, it would
// reboot forever.
func (b *boot) onFailure() (action string, delay time.Duration) {
	action, delay = b.opts.OnFailure, 10*time.Second
	p, _ := b.params.Last("panic")
	seconds, err := strconv.Atoi(p.Value)
	if err == nil && seconds != 0 {
		delay = max(0, time.Duration(seconds)*time.Second)
	}
	switch {
	case action == "" && b.plan.Usr.Degraded:
		action = "halt"
	case action == "" && (err == nil && seconds != 0 || b.counted):
		action = "reboot"
	case action == "":
		action = "halt"
	}
	if action == "halt" || action == "shell" {
		delay = 0
	}
	return action, delay
}

func then(action string, delay time.Duration) string {
	switch action {
	case "reboot":
		return fmt.Sprintf("The machine reboots in %v.", delay)
	case "poweroff":
		return fmt.Sprintf("The machine powers off in %v.", delay)
	case "shell":
		return "A shell follows; when it ends, the machine halts."
	}
	return "The machine halts. Switch it off, or reset it."
}

// end stops the machine. PID 1 stays, whatever happens: the kernel would panic.
func end(action string) {
	command := map[string]int{
		"reboot":   unix.LINUX_REBOOT_CMD_RESTART,
		"poweroff": unix.LINUX_REBOOT_CMD_POWER_OFF,
	}[action]
	if command == 0 {
		command = unix.LINUX_REBOOT_CMD_HALT
	}
	err := within(lastDeed, transferred, func() error { return unix.Reboot(command) })
	show([]string{fmt.Sprintf("freshroot: %s: %v", action, err)})
	// The kernel waits for devices that hang, but not if it is asked like this.
	if key := map[string]string{"reboot": "b", "poweroff": "o"}[action]; key != "" {
		_ = os.WriteFile("/proc/sysrq-trigger", []byte(key), 0)
	}
	for {
		time.Sleep(time.Hour)
	}
}
