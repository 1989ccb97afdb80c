package main

import (
	"errors"
	"os"
	"slices"
	"syscall"

	"github.com/freshroot/freshroot/pkg/volatile"
)

// noShellFile is in an initramfs that was built to give no shell.
const noShellFile = "/no-shell"

// forbidShell leaves out what asks for a shell, where none is given.
func (b *boot) forbidShell() {
	if _, err := os.Stat(noShellFile); err != nil {
		return
	}
	for _, warning := range b.opts.ForbidShell() {
		b.warn(warning)
	}
}

// pause gives a shell before what freshroot.break= names; what tells it to a person.
func (b *boot) pause(name, what string) {
	if name != b.opts.Break {
		return
	}
	show([]string{
		"", "freshroot stops before: " + what, "",
		"  The pool is at " + volatile.PoolDir + " and the new root at " + volatile.RootDir +
			", as far as the boot has come.",
		"  exit goes on with it.", "",
	})
	if err := shell(); err != nil {
		b.warn("freshroot.break=" + name + ": no shell: " + err.Error())
	}
	b.log.info("going on with: " + what)
}

// shell runs the shell of the initramfs, if it was built with one.
func shell() error {
	shells := []string{"/bin/sh", "/bbin/sh", "/bin/bash"}
	i := slices.IndexFunc(shells, func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	})
	if i < 0 {
		return errors.New("this initramfs was built without one")
	}
	console, err := os.OpenFile("/dev/console", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	process, err := os.StartProcess(shells[i], shells[i:i+1], &os.ProcAttr{
		Env:   append(os.Environ(), "PATH=/bin:/sbin:/bbin:/usr/bin:/usr/sbin"),
		Files: []*os.File{console, console, console},
		Sys:   &syscall.SysProcAttr{Setsid: true, Setctty: true},
	})
	if err != nil {
		return err
	}
	_, err = process.Wait()
	return err
}
