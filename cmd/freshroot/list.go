package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/pool"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/version"
)

func listCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list [flags] [DISK_OR_IMAGE...]",
		Short: "List the members of a pool",
		Long: `List the members of the pool that this machine runs from, or of the one on a disk or
in an image: golden masters with what their boot counters say, the newest first, then
instances and the rest, then what is no member and is left alone.

Exit status: 0 if the pool was read, 1 if not, 2 for wrong usage.`,
		Example: "  freshroot list\n  freshroot list --json disk.img",
		RunE: func(c *cobra.Command, args []string) error {
			list, err := listPool(args)
			if err != nil {
				return fmt.Errorf("list: %w", err)
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), list)
			}
			return printMembers(c.OutOrStdout(), list)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
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

	member subvol.Member
}

// The states of a golden master.
const (
	stateGood     = "good"
	stateTrial    = "on trial"
	stateBad      = "bad"
	stateUnusable = "unusable"
)

// listPool lists the pool on disks, or the one that this machine runs from.
func listPool(disks []string) (list []poolMember, err error) {
	if len(disks) > 0 {
		disk, found, err := poolOn(disks)
		if err != nil {
			return nil, err
		}
		err = withPool(disk, found, func(dir *os.File) error {
			list, err = listMembers(dir, "", "")
			return err
		})
		return list, err
	}
	boot, err := readBoot()
	if err != nil {
		return nil, fmt.Errorf("%w: name a disk or an image", err)
	}
	status := bootStatus{bootRecord: boot}
	err = boot.readPool(status.look)
	return status.Members, err
}

// listMembers lists what is at the top level of a pool. kernel is the release that
// golden masters have to fit, or "".
func listMembers(dir *os.File, kernel, running string) ([]poolMember, error) {
	entries, err := pool.Entries(dir)
	if err != nil {
		return nil, err
	}
	list := []poolMember{} // in JSON none is [], not null
	for _, entry := range entries {
		if entry != ".freshroot" {
			list = append(list, describeMember(dir, entry, kernel, running))
		}
	}
	slices.SortFunc(list, poolMember.compare)
	return list, nil
}

func describeMember(dir *os.File, entry, kernel, running string) poolMember {
	m, err := subvol.Parse(entry)
	if err != nil {
		return poolMember{Name: entry, Reason: "no member, left alone"}
	}
	p := poolMember{
		Name: entry, Kind: m.Kind, Vendor: m.Vendor, Arch: m.Arch, Version: m.Version,
		Running: entry == running, member: m,
	}
	if m.Kind != subvol.Usr {
		return p
	}
	if m.Tries.Counted {
		p.Tries = &tries{m.Tries.Left, m.Tries.Done}
	}
	unusable := pool.CheckUsr(dir, entry, kernel)
	switch {
	case m.Arch != subvol.HostArch():
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

// printMembers prints a table for people.
func printMembers(w io.Writer, list []poolMember) error {
	width := len("MEMBER")
	for _, p := range list {
		width = max(width, len(printable(p.Name)))
	}
	s := styleOf(w)
	_, err := fmt.Fprintf(w, "%s\n", s.title(fmt.Sprintf("%-*s  STATE", width, "MEMBER")))
	for _, p := range list {
		line := fmt.Sprintf("%-*s  %s", width, printable(p.Name), p.describe(s))
		if _, err = fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return err
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
