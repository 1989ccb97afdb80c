package main

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/volatile"
)

// armWatchdog starts the hardware's watchdog. It is closed without the 'V' that would
// stop it, and runs on: the init of the OS could not open it otherwise, and has to. That
// there is none is a warning.
func (b *boot) armWatchdog(s volatile.Watchdog) error {
	const name = "/dev/watchdog"
	dog, err := os.OpenFile(name, os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		b.warn("freshroot.watchdog= has no effect: " + err.Error())
		return nil
	}
	defer dog.Close()
	// Hardware that knows no such time keeps its own, and runs.
	err = unix.IoctlSetPointerInt(int(dog.Fd()), unix.WDIOC_SETTIMEOUT, s.Seconds)
	runtime.KeepAlive(dog)
	if err != nil {
		b.warn(fmt.Sprintf("set %s to %d s: %v", name, s.Seconds, err))
	}
	return nil
}
