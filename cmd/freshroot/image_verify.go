package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/image"
)

func imageVerifyCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify [flags] IMAGE",
		Short: "Read all of a disk image and check it",
		Long: `Read all of a raw disk image and check it: the partition table and its backup, both
file systems with all checksums, that there is a boot loader whose entries boot files and
versions of the pool, and that golden masters are read-only. Not a byte changes.

It needs root, and the programs btrfs, fsck.fat and mcopy.

Exit status: 0 if all is well, 1 if something is wrong, 2 for wrong usage.`,
		Example: "  freshroot image verify disk.img",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			checks, err := verifyImage(c, args[0])
			if err != nil {
				return err
			}
			return printChecks(c.OutOrStdout(), checks, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func verifyImage(c *cobra.Command, path string) ([]image.Check, error) {
	if err := needsRoot("checking an image"); err != nil {
		return nil, err
	}
	i, err := image.Open(path)
	if err != nil {
		return nil, err
	}
	defer i.Close()
	ctx, stop := untilSignal(c.Context())
	defer stop()
	line := newProgressLine(os.Stderr)
	defer line.end()
	checks, err := i.Verify(ctx, line.update)
	return checks, stopped(ctx, err)
}

// printChecks tells what is wrong, which is the answer.
func printChecks(w io.Writer, checks []image.Check, asJSON bool) (err error) {
	s := styleOf(w)
	if asJSON {
		err = printJSON(w, checks)
	}
	bad := false
	for _, check := range checks {
		bad = bad || len(check.Wrong) > 0
		if asJSON {
			continue
		}
		verdict := s.good("good")
		if len(check.Wrong) > 0 {
			verdict = s.bad("wrong")
		}
		fmt.Fprintf(w, "%-15s  %s\n", check.Name, verdict)
		for _, wrong := range check.Wrong {
			fmt.Fprintf(w, "  %s\n", printable(wrong))
		}
	}
	if err == nil && bad {
		return errSaid
	}
	return err
}
