package main

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// show writes lines to every console that the kernel uses, since one cannot know
// which of them somebody looks at. No message of the kernel comes in between.
func show(lines []string) {
	defer quiet()()
	text := strings.Join(lines, "\n") + "\n"
	// To read this takes the lock of the consoles: what is being printed is out then.
	active, _ := os.ReadFile("/sys/class/tty/console/active")
	shown := false
	for _, name := range strings.Fields(string(active)) {
		err := within(lastWords, transferred, func() error { return write("/dev/"+name, text) })
		var stuck *hangError
		shown = shown || err == nil || errors.As(err, &stuck)
	}
	if !shown {
		os.Stdout.WriteString(text)
	}
}

// write writes a text to a terminal, and waits until it is out.
func write(path, text string) error {
	// A serial line that waits for its carrier would not open otherwise.
	tty, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer tty.Close()
	if _, err := tty.WriteString(text); err != nil {
		return err
	}
	return unix.IoctlSetInt(int(tty.Fd()), unix.TCSBRK, 1) // tcdrain(3)
}

// quiet keeps all messages of the kernel but emergencies off its consoles, until the
// function is called that it returns. They are in its log still.
func quiet() (loud func()) {
	const levels = "/proc/sys/kernel/printk" // the first is the consoles'
	before, _ := os.ReadFile(levels)
	_ = os.WriteFile(levels, []byte("1"), 0)
	return func() { _ = os.WriteFile(levels, before, 0) }
}
