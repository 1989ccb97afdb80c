package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/units"
)

// describeContents shows what is on a disk.
func describeContents(w io.Writer, c device.Contents) {
	words := []string{printable(c.Device), units.Bytes(c.Size)}
	if c.Model != "" {
		words = append(words, printable(c.Model))
	}
	fmt.Fprintf(w, "%s: %s\n", strings.Join(words, ", "), describeSignatures(c.Part))
	for _, p := range c.Parts {
		fmt.Fprintf(w, "  %s, %s, %s %q: %s\n", printable(p.Device), units.Bytes(p.Size),
			p.Type, p.Label, describeSignatures(p))
	}
}

func describeSignatures(p device.Part) string {
	if len(p.Signatures) == 0 {
		return "nothing that is known"
	}
	return strings.Join(p.Signatures, ", ")
}

// allow makes sure that the contents of a disk may be lost.
func (o *installOptions) allow(in io.Reader, w io.Writer, c device.Contents) error {
	if !c.IsEmpty() && !o.wipe {
		return errors.New("it is not empty: --wipe overwrites all of it")
	}
	if o.yes {
		return nil
	}
	if f, isFile := in.(*os.File); !isFile || !isTerminal(f) || o.json {
		return errors.New("nobody is there to be asked: --yes does it without")
	}
	name := filepath.Base(c.Device)
	fmt.Fprintf(w, "All that is on it will be lost. To go on, type its name (%s): ", printable(name))
	answer, err := bufio.NewReader(io.LimitReader(in, 1<<10)).ReadString('\n')
	answer = strings.TrimSpace(answer)
	if err == nil && answer != name && answer != c.Device {
		err = errors.New("not confirmed, nothing was changed")
	}
	return err
}

// left says what a disk has after a failure. A disk that has failed may have kept what
// should have been overwritten.
func left(disk *os.File) string {
	_ = device.Forget(disk) // which fails if the disk does
	now, err := device.Look(disk)
	if err == nil {
		_, err = disk.ReadAt(make([]byte, 4<<10), 0) // of which Look says nothing
	}
	switch {
	case err != nil:
		return fmt.Sprintf("what is on it now is not known: %v", err)
	case now.IsEmpty():
		return "there is nothing on it that boots"
	}
	return "it still has " + describeSignatures(now.Part) + " of before, and may boot that"
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
