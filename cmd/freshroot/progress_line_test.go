package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal opens a terminal: what is written to it is read from screen.
func terminal(t *testing.T) (screen, tty *os.File) {
	t.Helper()
	t.Setenv("TERM", "linux")
	t.Setenv("NO_COLOR", "")
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	number, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return screen, tty
}

// readUntil reads what a screen shows until there is some text, and returns all of it.
func readUntil(t *testing.T, screen *os.File, text string) string {
	t.Helper()
	var seen strings.Builder
	piece := make([]byte, 1024)
	for !strings.Contains(seen.String(), text) {
		n, err := screen.Read(piece)
		if err != nil {
			t.Fatalf("%q, and then %v", seen.String(), err)
		}
		seen.Write(piece[:n])
	}
	return seen.String()
}

// TestProgressLineTicks has a step that tells nothing for long.
func TestProgressLineTicks(t *testing.T) {
	screen, tty := terminal(t)
	line := newProgressLine(tty)
	line.update("pool", 0, 0)
	readUntil(t, screen, "  pool")
	if got := readUntil(t, screen, "  pool"); strings.Contains(got, "0:00") {
		t.Errorf("the clock stands still: %q", got)
	}
	line.end()
	fmt.Fprint(tty, "done")
	readUntil(t, screen, "\r\x1b[Kdone")
	line.update("more", 0, 0) // as after what was said in between
	readUntil(t, screen, "  more")
	readUntil(t, screen, "  more")
	line.end()
}

// TestProgressLineLate shows nothing of what takes less than a second, and the rest.
func TestProgressLineLate(t *testing.T) {
	screen, tty := terminal(t)
	line := newLateLine(tty)
	line.update("short", 0, 0)
	line.end()
	line.end()
	fmt.Fprint(tty, "done")
	if got := readUntil(t, screen, "done"); got != "done" {
		t.Errorf("the screen has %q", got)
	}
	line.update("boot", 0, 0)
	if got := readUntil(t, screen, "boot"); strings.Contains(got, "0:00") {
		t.Errorf("after a second the screen has %q", got)
	}
	line.end()
}

// TestProgressLineElsewhere has what is no terminal.
func TestProgressLineElsewhere(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, line := range []*progressLine{newProgressLine(file), newLateLine(file)} {
		line.update("step", 0, 0)
		line.end()
	}
	if info, err := file.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("%v, %v", info, err)
	}
}
