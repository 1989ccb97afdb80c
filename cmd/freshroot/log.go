package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/pool"
	"github.com/freshroot/freshroot/pkg/subvol"
)

func logCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "log",
		Short: "Keep and show the log of a version that did not boot well",
		Long: `Keep what a boot says in the pool until its version is blessed, so that it can be
read when another version had to be booted. The init keeps it if it fails itself; the
units freshroot-log.timer and freshroot-try.service do for the OS. Of each version the
last 256 KiB of the last boot are kept.`,
	}
	c.AddCommand(logSaveCommand(), logShowCommand())
	return group(c)
}

func logSaveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "save [flags] [-]",
		Short: "Keep the log of this boot, unless the version is blessed",
		Long: `Keep the kernel's log of this boot in the pool, or with - what comes on standard
input. If the version that runs is blessed, nothing is done.

Exit status: 0 if it is kept or need not be, 1 if not, 2 for wrong usage.`,
		Example:   "  journalctl -b --no-pager | freshroot log save -",
		Args:      arguments(cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs)),
		ValidArgs: []string{"-"},
		RunE: func(c *cobra.Command, args []string) error {
			boot, err := readBoot()
			if err != nil {
				return err
			}
			return boot.saveLog(func() ([]byte, error) {
				if len(args) == 0 {
					return pool.KernelLog()
				}
				return readEnd(c.InOrStdin())
			})
		},
	}
}

// readEnd reads all, and returns the end of it that may be kept.
func readEnd(r io.Reader) (text []byte, err error) {
	part := make([]byte, 64<<10)
	for {
		n, err := r.Read(part)
		text = append(text, part[:n]...)
		if len(text) > 2*pool.MaxLog {
			text = slices.Clone(text[len(text)-pool.MaxLog:])
		}
		if errors.Is(err, io.EOF) {
			return text, nil
		} else if err != nil {
			return nil, fmt.Errorf("read log: %w", err)
		}
	}
}

// saveLog keeps the log of this boot. A boot of a version without a counter asks for
// nothing, and leaves the pool alone.
func (b bootRecord) saveLog(read func() ([]byte, error)) error {
	if b.Tries == nil {
		return nil
	}
	entry, onTrial := "", false
	look := func(dir *os.File) (err error) {
		if entry, err = b.entry(dir); err != nil {
			return err
		}
		m, err := subvol.Parse(entry)
		onTrial = m.Tries.Counted
		return err
	}
	if err := b.readPool(look); err != nil || !onTrial {
		return err
	}
	text, err := read()
	if err != nil {
		return err
	}
	return b.changePool(func(dir *os.File) error {
		if err := look(dir); err != nil || !onTrial { // blessed meanwhile
			return err
		}
		return pool.SaveLog(dir, entry, text)
	})
}

func logShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show [flags] VERSION",
		Short: "Show the log that is kept of a version",
		Long: `Show the log that is kept of a version in the pool that this machine runs from.
VERSION is what freshroot.usr= takes: 1.2, org.example.os:1.2 or a full name.

Exit status: 0 if there is one, 1 if not, 2 for wrong usage.`,
		Example: "  freshroot log show 1.2",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			boot, err := readBoot()
			if err != nil {
				return err
			}
			return boot.showLog(c.OutOrStdout(), args[0])
		},
	}
}

// showLog prints the log of a version.
func (b bootRecord) showLog(w io.Writer, name string) error {
	return b.readPool(func(dir *os.File) error {
		entries, err := pool.Entries(dir)
		if err != nil {
			return err
		}
		entry, err := one(entries, name)
		if err != nil {
			return err
		}
		text, err := pool.Log(dir, entry)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("no log is kept of %q", entry)
		} else if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	})
}
