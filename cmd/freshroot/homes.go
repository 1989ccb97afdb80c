package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/subvol"
)

func homesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "home",
		Short: "Manage the homes of a pool",
		Long: `Manage home members. Each is mounted at /home/USER at boot, in every instance, with
volatile=no and volatile=state; freshroot.home=none leaves them out.`,
	}
	c.AddCommand(homeListCommand(), homeCreateCommand(), homeDeleteCommand())
	return group(c)
}

// homeInfo is a home for programs.
type homeInfo struct {
	User  string `json:"user"`
	UID   uint32 `json:"uid"`
	GID   uint32 `json:"gid"`
	Entry string `json:"entry"`
}

func homeListCommand() *cobra.Command {
	o := memberOptions{readOnly: true}
	return o.flags(&cobra.Command{
		Use:     "list [flags]",
		Short:   "List the homes",
		Example: "  freshroot home list --json",
		Args:    arguments(noArguments),
		RunE: func(c *cobra.Command, _ []string) error {
			return o.with(func(m *openedPool) error { return m.listHomes(c.OutOrStdout(), o.json) })
		},
	})
}

func (m *openedPool) listHomes(w io.Writer, asJSON bool) error {
	list := []homeInfo{}
	for _, h := range m.of(subvol.Home) {
		list = append(list, homeInfo{h.Name, h.UID, h.GID, h.entry})
	}
	if asJSON {
		return printJSON(w, list)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "USER\tUID\tGID")
	for _, h := range list {
		fmt.Fprintf(table, "%s\t%d\t%d\n", h.User, h.UID, h.GID)
	}
	return table.Flush()
}

func homeCreateCommand() *cobra.Command {
	var o memberOptions
	return o.poolFlag(&cobra.Command{
		Use:   "create [flags] USER:UID:GID",
		Short: "Make a home for a user",
		Long: `Make a home that belongs to the user and that nobody else may look into, with what
/etc/skel is in the factory of the version that runs, or that a boot would pick. It is
mounted at the next boot. Users are not made: that is for sysusers.d or useradd.`,
		Example: "  freshroot home create ada:1000:1000",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			home, err := subvol.Parse(string(subvol.Home) + ":" + args[0])
			if err != nil {
				return usageError{err}
			}
			return o.with(func(m *openedPool) error { return m.createHome(home) })
		},
	})
}

// createHome refuses a second home of a user, of which neither would be mounted.
func (m *openedPool) createHome(home subvol.Member) error {
	for _, h := range m.of(subvol.Home) {
		if h.Name == home.Name {
			return fmt.Errorf("%s has a home already: %s", h.Name, h.entry)
		}
	}
	skel, err := m.skel()
	if err != nil {
		return err
	}
	if skel != nil {
		defer skel.Close()
	}
	return instance.CreateHome(m.top, home, skel)
}

// skel opens what a new home starts with; nil where the pool has no OS, or that has none.
func (m *openedPool) skel() (*os.File, error) {
	usr, err := m.usr("")
	if err != nil {
		return nil, nil
	}
	golden, err := rootfs.OpenDir(m.top, usr.Entry)
	if err != nil {
		return nil, err
	}
	defer golden.Close()
	skel, err := rootfs.OpenDir(golden, "share/factory/etc/skel")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return skel, err
}

func homeDeleteCommand() *cobra.Command {
	var o memberOptions
	return o.poolFlag(&cobra.Command{
		Use:   "delete [flags] USER...",
		Short: "Delete homes for good",
		Long: `Delete homes with all that is in them, at once and for good. One that is mounted is not
deleted: unmount it first, or boot with freshroot.home=none.`,
		Example: "  freshroot home delete ada",
		Args:    arguments(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			return o.with(func(m *openedPool) error { return m.delete(subvol.Home, args) })
		},
	})
}
