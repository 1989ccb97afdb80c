package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/subvol"
)

func rootsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "root",
		Short: "Manage the instances of a pool",
		Long: `Manage instances: the persistent /etc, /var and the rest around a golden master.
"freshroot.root=NAME" on the kernel command line boots another one than "default".

NAME may be a full name, as in root:default:org.example.os:x86-64.`,
	}
	c.AddCommand(rootListCommand(), rootCreateCommand(), rootCloneCommand(),
		rootRenameCommand(), rootDeleteCommand())
	return group(c)
}

// rootInfo is an instance for programs.
type rootInfo struct {
	Name    string `json:"name"`
	Vendor  string `json:"vendor"`
	Arch    string `json:"arch"`
	Version string `json:"version"` // of its /etc, or ""
	Running bool   `json:"running"`
	Entry   string `json:"entry"`
}

func rootListCommand() *cobra.Command {
	o := memberOptions{readOnly: true}
	return o.flags(&cobra.Command{
		Use:     "list [flags]",
		Short:   "List the instances",
		Long:    `List the instances, with the version whose factory their /etc is of.`,
		Example: "  freshroot root list --json",
		Args:    arguments(noArguments),
		RunE: func(c *cobra.Command, _ []string) error {
			return o.with(func(m *openedPool) error { return m.listRoots(c.OutOrStdout(), o.json) })
		},
	})
}

func (m *openedPool) listRoots(w io.Writer, asJSON bool) error {
	list := []rootInfo{}
	for _, r := range m.of(subvol.Root) {
		list = append(list, rootInfo{
			r.Name, r.Vendor, r.Arch, instance.Version(m.top, r.entry),
			r.entry == m.running.Instance, r.entry,
		})
	}
	if asJSON {
		return printJSON(w, list)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tVENDOR\tARCH\tVERSION\tRUNNING")
	for _, r := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n",
			r.Name, r.Vendor, r.Arch, orDash(r.Version), yesNo(r.Running))
	}
	return table.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func rootCreateCommand() *cobra.Command {
	var o memberOptions
	var usr string
	c := o.poolFlag(&cobra.Command{
		Use:   "create [flags] NAME",
		Short: "Make an instance from the factory",
		Long: `Make an instance from the factory of the version that is running, or that would be
booted. A boot with freshroot.root=NAME does the same if there is none.`,
		Example: "  freshroot root create kiosk --usr 1.2",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			return o.with(func(m *openedPool) error { return m.createRoot(args[0], usr) })
		},
	})
	c.Flags().StringVar(&usr, "usr", "", "version or vendor, as freshroot.usr= has it")
	return c
}

func (m *openedPool) createRoot(name, pin string) error {
	usr, err := m.usr(pin)
	if err != nil {
		return err
	}
	entry, err := namedInstance(name, usr.Member)
	if err != nil {
		return err
	}
	if err := m.isFree(entry); err != nil {
		return err
	}
	golden, err := rootfs.OpenDir(m.top, usr.Entry)
	if err != nil {
		return err
	}
	defer golden.Close()
	target := instance.Target{Pool: m.top, Name: entry, Usr: usr.Member, Golden: golden}
	_, err = target.Ensure()
	return err
}

// isFree refuses the name of an instance that is there, however its architecture is
// spelt.
func (m *openedPool) isFree(entry string) error {
	for _, r := range m.of(subvol.Root) {
		if r.String() == entry {
			return fmt.Errorf("instance %q exists", r.entry)
		}
	}
	return nil
}

func rootCloneCommand() *cobra.Command {
	var o memberOptions
	return o.poolFlag(&cobra.Command{
		Use:   "clone [flags] NAME NEW",
		Short: "Copy an instance, with all that it holds",
		Long: `Copy an instance, also one that is running. Both share what they do not change, so that
the copy takes no time and no space. It has the same machine-id.`,
		Example: "  freshroot root clone default before-the-fair",
		Args:    arguments(cobra.ExactArgs(2)),
		RunE: func(_ *cobra.Command, args []string) error {
			return o.with(func(m *openedPool) error {
				from, to, err := m.fromTo(args)
				if err != nil {
					return err
				}
				return instance.Clone(m.top, from.entry, to)
			})
		},
	})
}

// fromTo finds an instance, and the full name that another one is to have.
func (m *openedPool) fromTo(args []string) (from member, to string, err error) {
	if from, err = m.find(subvol.Root, args[0]); err != nil {
		return from, "", err
	}
	if to, err = namedInstance(args[1], from.Member); err != nil {
		return from, "", err
	}
	return from, to, m.isFree(to)
}

func rootRenameCommand() *cobra.Command {
	var o memberOptions
	return o.poolFlag(&cobra.Command{
		Use:     "rename [flags] NAME NEW",
		Short:   "Give an instance another name",
		Long:    `Give an instance another name. The one that is running keeps its name.`,
		Example: "  freshroot root rename before-the-fair default",
		Args:    arguments(cobra.ExactArgs(2)),
		RunE: func(_ *cobra.Command, args []string) error {
			return o.with(func(m *openedPool) error {
				from, to, err := m.fromTo(args)
				if err != nil {
					return err
				}
				if err := m.notRunning(from); err != nil {
					return err
				}
				return instance.Rename(m.top, from.entry, to)
			})
		},
	})
}

// notRunning protects the instance that the machine runs from.
func (m *openedPool) notRunning(r member) error {
	if r.entry == m.running.Instance {
		return fmt.Errorf("%q is running: boot another one with freshroot.root= first", r.entry)
	}
	return nil
}

func rootDeleteCommand() *cobra.Command {
	var o memberOptions
	return o.poolFlag(&cobra.Command{
		Use:   "delete [flags] NAME...",
		Short: "Delete instances for good",
		Long: `Delete instances at once and for good, with what they have in the trash; "freshroot
reset" is what can be undone. The one that is running is not deleted, nor one that is
mounted.`,
		Example: "  freshroot root delete before-the-fair",
		Args:    arguments(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			return o.with(func(m *openedPool) error { return m.delete(subvol.Root, args) })
		},
	})
}

// delete finds all of them before the first one goes.
func (m *openedPool) delete(kind subvol.Kind, names []string) error {
	var list []member
	for _, name := range names {
		found, err := m.find(kind, name)
		if err != nil {
			return err
		}
		if err := m.notRunning(found); err != nil {
			return err
		}
		if err := m.notMounted(found); err != nil {
			return err
		}
		list = append(list, found)
	}
	for _, found := range list {
		if err := instance.Delete(m.top, found.entry); err != nil {
			return err
		}
	}
	return nil
}
