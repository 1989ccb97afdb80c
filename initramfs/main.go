// Command initramfs is the init of the initial RAM file system.
//
// The kernel executes it as /init. It finds the pool, picks a golden master,
// assembles a root around it and executes the init of the OS there, as package
// volatile decides. It never returns: what goes wrong ends on the failure screen.
package main

import (
	"os"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// memoryLimit is the memory from which on garbage is collected.
const memoryLimit = 8 << 20

func main() {
	if os.Getpid() != 1 {
		os.Stderr.WriteString("freshroot init: only the kernel may start this, as /init of an initramfs\n")
		os.Exit(2)
	}
	// A boot is too short for a garbage collection to pay; the limit is for a pool or
	// a command line that is made to take memory.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(memoryLimit)
	// What hangs in the kernel may keep one of Go's processors for good; deadlines need
	// another one.
	if runtime.NumCPU() == 1 {
		runtime.GOMAXPROCS(2)
	}
	b := newBoot()
	b.umask = unix.Umask(0)
	b.fail(guard(b.run))
}
