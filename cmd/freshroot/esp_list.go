package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/units"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// espResult is what "freshroot esp sync" has done.
type espResult struct {
	ESP     string             `json:"esp"`
	Ops     []espOp            `json:"operations"`
	Bytes   int64              `json:"bytes"` // that had to be free
	Skipped []volatile.Skipped `json:"skipped"`
	Warning []string           `json:"warnings"`

	plan esp.Plan
}

// espOp is an operation for programs.
type espOp struct {
	Do    esp.Action `json:"do"`
	Path  string     `json:"path"`
	To    string     `json:"to,omitempty"`
	Bytes int64      `json:"bytes,omitempty"`
}

// describe takes the plan over. In JSON none is [], not null.
func (r espResult) describe() espResult {
	r.Ops, r.Bytes = []espOp{}, r.plan.Bytes
	for _, op := range r.plan.Ops {
		r.Ops = append(r.Ops, espOp{op.Do, op.Path, op.To, op.File.Size})
	}
	r.Skipped = append([]volatile.Skipped{}, r.Skipped...)
	r.Warning = append([]string{}, r.plan.Warnings...)
	return r
}

// print tells it to people.
func (r espResult) print(w io.Writer, dryRun bool) error {
	for _, s := range r.Skipped {
		fmt.Fprintf(w, "skipped %s: %s\n", printable(s.Entry), s.Reason)
	}
	if _, err := fmt.Fprint(w, r.plan); err != nil {
		return err
	}
	var err error
	switch {
	case len(r.plan.Ops) == 0:
		_, err = fmt.Fprintf(w, "%s matches the pool\n", r.ESP)
	case dryRun:
		_, err = fmt.Fprintf(w, "%s free space needed on %s\n", units.Bytes(r.plan.Bytes), r.ESP)
	default:
		_, err = fmt.Fprintf(w, "%s matches the pool now\n", r.ESP)
	}
	return err
}

func espListCommand() *cobra.Command {
	var dir string
	var asJSON bool
	c := &cobra.Command{
		Use:   "list [flags]",
		Short: "List the boot loader's entries",
		Long: `List the entries on the EFI system partition: those that pin a golden master, with
what the boot loader has counted, and those of others, which freshroot leaves alone.

Exit status: 0 if the partition was read, 1 if not, 2 for wrong usage.`,
		Args: arguments(noArguments),
		RunE: func(c *cobra.Command, _ []string) error {
			err := withESP(dir, func(_ *os.File, s esp.State) error {
				if asJSON {
					return printJSON(c.OutOrStdout(), listEntries(s))
				}
				return printEntries(c.OutOrStdout(), listEntries(s))
			})
			if err != nil {
				return err
			}
			return nil
		},
	}
	c.Flags().StringVar(&dir, "esp", "",
		"mounted `DIR` to read (default: the partition is found and mounted)")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// espEntry is an entry for programs. Those of others have only a path.
type espEntry struct {
	Path    string `json:"path"`
	Vendor  string `json:"vendor,omitempty"`
	Version string `json:"version,omitempty"`
	Tries   *tries `json:"tries,omitempty"`
	Options string `json:"options,omitempty"`
}

func listEntries(s esp.State) []espEntry {
	list := []espEntry{} // in JSON none is [], not null
	for _, e := range s.Entries {
		entry := espEntry{Path: e.Path, Vendor: e.Vendor, Version: e.Version, Options: e.Options}
		if e.Tries.Counted {
			entry.Tries = &tries{e.Tries.Left, e.Tries.Done}
		}
		list = append(list, entry)
	}
	for _, path := range s.Foreign {
		list = append(list, espEntry{Path: path})
	}
	return list
}

// printEntries prints a table for people.
func printEntries(w io.Writer, list []espEntry) error {
	width := len("ENTRY")
	for _, e := range list {
		width = max(width, len(printable(path.Base(e.Path))))
	}
	s := styleOf(w)
	_, err := fmt.Fprintln(w, s.title(fmt.Sprintf("%-*s  BOOTS", width, "ENTRY")))
	for _, e := range list {
		line := fmt.Sprintf("%-*s  %s", width, printable(path.Base(e.Path)), e.describe(s))
		if _, err = fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return err
}

// describe says what an entry boots, and how that has gone.
func (e espEntry) describe(s style) string {
	if e.Vendor == "" {
		return "not ours, left alone"
	}
	text := printable(e.Vendor + " " + e.Version)
	switch {
	case e.Tries == nil:
		return text
	case e.Tries.Left == 0:
		return text + ", " + s.bad("no tries left")
	}
	return text + ", " + s.warn(fmt.Sprintf("tries left: %d", e.Tries.Left))
}
