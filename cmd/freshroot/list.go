package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/pool"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/version"
)

func listCommand() *cobra.Command {
	var o listOptions
	c := &cobra.Command{
		Use:   "list [flags] [DISK_OR_IMAGE...]",
		Short: "List the members of a pool",
		Long: `List the members of the pool that this machine runs from, or of the one on a disk or
in an image: golden masters with what their boot counters say, the newest first, then
instances and the rest, then what is no member and is left alone.

With --sizes it says how much of the disk each member takes for itself, which
deleting it would free, and how much it shares with others, as "btrfs filesystem du
-s" does. The kernel is asked about each file, which takes a while.

Exit status: 0 if the pool was read, 1 if not, 2 for wrong usage.`,
		Example: "  freshroot list\n  freshroot list --json disk.img",
		RunE: func(c *cobra.Command, args []string) error {
			return o.run(c.OutOrStdout(), c.ErrOrStderr(), args)
		},
	}
	c.Flags().BoolVar(&o.json, "json", false, "print JSON")
	sizesFlag(c, &o.sizes)
	return c
}

// listOptions are the flags of the command.
type listOptions struct{ json, sizes bool }

func (o listOptions) run(w, messages io.Writer, disks []string) error {
	list, err := listPool(disks, sizesIf(o.sizes, messages))
	switch {
	case err != nil:
		return err
	case o.json:
		return printJSON(w, list)
	}
	return printMembers(w, list)
}

// poolMember is a member for programs.
type poolMember struct {
	Name    string      `json:"name"`
	Kind    subvol.Kind `json:"kind,omitempty"` // "" if it is no member
	Vendor  string      `json:"vendor,omitempty"`
	Arch    string      `json:"arch,omitempty"`
	Version string      `json:"version,omitempty"`
	Tries   *tries      `json:"tries,omitempty"`
	Running bool        `json:"running,omitempty"`
	State   string      `json:"state,omitempty"` // "good", "on trial", "bad", "unusable"
	Reason  string      `json:"reason,omitempty"`
	Size    *memberSize `json:"size,omitempty"` // only if it is asked for
}

// The states of a golden master.
const (
	stateGood     = "good"
	stateTrial    = "on trial"
	stateBad      = "bad"
	stateUnusable = "unusable"
)

// listPool lists the pool on disks, or the one that this machine runs from.
func listPool(disks []string, measure sizes) (list []poolMember, err error) {
	if len(disks) > 0 {
		disk, found, err := poolOn(disks)
		if err != nil {
			return nil, err
		}
		err = withPool(disk, found, func(dir *os.File) error {
			list, err = listMembers(dir, listedFor{arch: archOf(found)})
			measure(dir, list)
			return err
		})
		return list, err
	}
	boot, err := readBoot()
	if err != nil {
		return nil, fmt.Errorf("%w: name a disk or an image", err)
	}
	status := bootStatus{bootRecord: boot}
	err = boot.readPool(func(dir *os.File) error {
		err := status.look(dir)
		measure(dir, status.Members)
		return err
	})
	return status.Members, err
}

// listedFor is the machine that golden masters have to fit.
type listedFor struct {
	arch    string
	kernel  string // the release of the one that runs, or ""
	running string // the golden master that runs, or ""
}

// listMembers lists what is at the top level of a pool.
func listMembers(dir *os.File, on listedFor) ([]poolMember, error) {
	entries, err := pool.Entries(dir)
	if err != nil {
		return nil, err
	}
	list := []poolMember{} // in JSON none is [], not null
	for _, entry := range entries {
		if entry != ".freshroot" {
			list = append(list, describeMember(dir, entry, on))
		}
	}
	slices.SortFunc(list, poolMember.compare)
	return list, nil
}

func describeMember(dir *os.File, entry string, on listedFor) poolMember {
	m, err := subvol.Parse(entry)
	if err != nil {
		return poolMember{Name: entry, Reason: "no member, left alone"}
	}
	p := poolMember{
		Name: entry, Kind: m.Kind, Vendor: m.Vendor, Arch: m.Arch, Version: m.Version,
		Running: entry == on.running,
	}
	if m.Kind != subvol.Usr {
		return p
	}
	p.Tries = countOf(m)
	unusable := pool.CheckUsr(dir, entry, on.kernel)
	switch {
	case m.Arch != on.arch:
		p.State, p.Reason = stateUnusable, "other architecture"
	case unusable != nil:
		p.State, p.Reason = stateUnusable, unusable.Error()
	case m.Tries.Bad() && p.Running:
		p.State, p.Reason = stateTrial, "no try is left after this one"
	case m.Tries.Bad():
		p.State, p.Reason = stateBad, "no tries left"
	case m.Tries.Counted:
		p.State, p.Reason = stateTrial, fmt.Sprintf("tries left: %d", m.Tries.Left)
	default:
		p.State = stateGood
	}
	return p
}

// kinds is the order that people want to see them in.
var kinds = []subvol.Kind{
	subvol.Usr, subvol.Root, subvol.Home, subvol.Runtime, subvol.Framework, subvol.App, "",
}

// compare orders by kind, then the newest version first.
func (p poolMember) compare(q poolMember) int {
	return cmp.Or(
		cmp.Compare(slices.Index(kinds, p.Kind), slices.Index(kinds, q.Kind)),
		strings.Compare(p.Vendor, q.Vendor),
		version.Compare(q.Version, p.Version),
		strings.Compare(p.Name, q.Name),
	)
}

// printMembers prints a table for people, with sizes where they are known.
func printMembers(w io.Writer, list []poolMember) error {
	s := styleOf(w)
	sized := slices.ContainsFunc(list, func(p poolMember) bool { return p.Size != nil })
	// The colours are in the last column, whose width does not matter.
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	columns := func(name, own, shared, state string) {
		if sized {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", name, own, shared, state)
		} else {
			fmt.Fprintf(table, "%s\t%s\n", name, state)
		}
	}
	columns("MEMBER", "OWN", "SHARED", "STATE")
	for _, p := range list {
		own, shared := p.Size.columns()
		columns(printable(p.Name), own, shared, p.describe(s))
	}
	table.Flush()
	title, rest, _ := strings.Cut(text.String(), "\n")
	fmt.Fprintln(w, s.title(title))
	for line := range strings.Lines(rest) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// describe says in words how it is.
func (p poolMember) describe(s style) string {
	var words []string
	if p.Running {
		words = append(words, "running")
	}
	paint := map[string]func(string) string{
		stateGood: s.good, stateTrial: s.warn, stateBad: s.bad, stateUnusable: s.bad,
	}[p.State]
	if paint != nil {
		words = append(words, paint(p.State))
	}
	text := strings.Join(words, ", ")
	switch {
	case p.Reason == "":
		return text
	case text == "":
		return p.Reason
	}
	return text + ": " + p.Reason
}
