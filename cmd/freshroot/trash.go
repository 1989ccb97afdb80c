package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/reset"
)

func trashCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "trash",
		Short: "Look at what resets have thrown away, and delete it",
		Long: `Look at the old states of instances. A reset keeps the newest three of each; the newest
one is what "freshroot reset --undo" brings back. "freshroot bless" deletes them after
three good boots.`,
	}
	c.AddCommand(trashListCommand(), trashPurgeCommand())
	return group(c)
}

// trashInfo is an entry of the trash for programs.
type trashInfo struct {
	Entry string `json:"entry"`
	reset.Trashed
}

func trashListCommand() *cobra.Command {
	o := memberOptions{readOnly: true}
	return o.flags(&cobra.Command{
		Use:     "list [flags]",
		Short:   "List what is in the trash, the newest last",
		Example: "  freshroot trash list --json",
		Args:    arguments(noArguments),
		RunE: func(c *cobra.Command, _ []string) error {
			return o.with(func(m *openedPool) error { return m.listTrash(c.OutOrStdout(), o.json) })
		},
	})
}

func (m *openedPool) listTrash(w io.Writer, asJSON bool) error {
	trash, err := instance.Trash(m.top)
	if err != nil {
		return err
	}
	slices.SortFunc(trash, func(a, b reset.Trashed) int { return int(a.Number) - int(b.Number) })
	list := []trashInfo{}
	for _, t := range trash {
		list = append(list, trashInfo{t.String(), t})
	}
	if asJSON {
		return printJSON(w, list)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "THROWN AWAY\tWHAT\tENTRY")
	for _, t := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\n", t.Time.Format(time.DateTime), t.Scope, t.Entry)
	}
	return table.Flush()
}

func trashPurgeCommand() *cobra.Command {
	var o memberOptions
	var all bool
	c := o.poolFlag(&cobra.Command{
		Use:   "purge [flags]",
		Short: "Delete what is in the trash",
		Long: `Delete the old states of instances but the newest of each, which can still be brought
back. The kernel frees their space in the background.`,
		Example: "  freshroot trash purge --all",
		Args:    arguments(noArguments),
		RunE: func(c *cobra.Command, _ []string) error {
			return o.with(func(m *openedPool) error { return m.purge(c.OutOrStdout(), all) })
		},
	})
	c.Flags().BoolVar(&all, "all", false, "the newest, too: no reset can be undone then")
	return c
}

func (m *openedPool) purge(w io.Writer, all bool) error {
	list, err := instance.Trash(m.top)
	if err != nil {
		return err
	}
	if !all {
		list = reset.Surplus(list, 1)
	}
	if err := instance.Purge(m.top, list); err != nil {
		return err
	}
	return tellDeleted(w, list)
}

func tellDeleted(w io.Writer, list []reset.Trashed) (err error) {
	for _, t := range list {
		_, err = fmt.Fprintf(w, "deleted %s\n", t)
	}
	return err
}
