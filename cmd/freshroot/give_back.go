package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/mount"
	"github.com/freshroot/freshroot/pkg/pool"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// giveBack gives the try of this boot back to whom it was taken from, if the version still
// is what was booted.
func (b bootRecord) giveBack(w io.Writer) error {
	give := b.giveVersion
	switch {
	case b.CountedBy == volatile.CountedByInit:
	case b.loaderCounts():
		give = b.giveEntry
	default:
		_, err := fmt.Fprintf(w, "%s: this boot was not counted\n", b.Usr)
		return err
	}
	still := false
	look := func(dir *os.File) error {
		entry, err := b.entry(dir)
		if still = entry == b.Usr; still || err != nil {
			return err
		}
		return tellName(w, entry, entry)
	}
	if err := b.readPool(look); err != nil || !still {
		return err
	}
	return b.changePool(func(dir *os.File) error {
		if err := look(dir); err != nil || !still { // others may have been faster
			return err
		}
		return give(w, dir)
	})
}

// giveVersion gives it back to the version, whose name the init has counted.
func (b bootRecord) giveVersion(w io.Writer, dir *os.File) error {
	now, err := pool.GiveBack(dir, b.Usr)
	if err != nil {
		return err
	}
	return tellName(w, b.Usr, now)
}

// giveEntry gives it back to the entry that the boot loader has counted.
func (b bootRecord) giveEntry(w io.Writer, dir *os.File) error {
	m, err := subvol.Parse(b.Usr)
	if err != nil {
		return err
	}
	counted, err := countedEntry()
	if err != nil {
		return err
	}
	return changeEntries(w, func(s esp.State) (esp.Plan, error) {
		plan := s.GiveBack(m, counted)
		if len(plan.Ops) == 0 {
			return plan, tellName(w, b.Usr, b.Usr)
		}
		return plan, pool.NoteGivenBack(dir, b.Usr)
	})
}

// countedEntry returns the path of the entry that the boot loader has counted, or "". The
// firmware's variables need not be mounted.
func countedEntry() (string, error) {
	if _, err := os.Stat(firmwareDir); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	dir, err := mount.Nowhere("efivarfs", "efivarfs")
	if err != nil {
		return "", err
	}
	defer dir.Close()
	return device.CountedEntry(fmt.Sprintf("/proc/self/fd/%d", dir.Fd()))
}
