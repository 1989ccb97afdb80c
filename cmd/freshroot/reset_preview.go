package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/freshroot/freshroot/pkg/facts"
	"github.com/freshroot/freshroot/pkg/keep"
	"github.com/freshroot/freshroot/pkg/keep/bind"
	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// resetPreview is what a reset would do, for programs.
type resetPreview struct {
	Instance string       `json:"instance"`
	Reset    reset.Scope  `json:"reset,omitempty"`
	Undo     string       `json:"undo,omitempty"`
	Goes     []string     `json:"goes"`
	Stays    []resetStays `json:"stays"`
}

// resetStays is a path that stays, and why.
type resetStays struct {
	Path  string `json:"path"`
	Rule  string `json:"rule"`
	Where string `json:"where"`
}

// previewReset tells what would go and what would stay. It reads the keep list of the
// instance, as the boot does.
func (m *openedPool) previewReset(
	w io.Writer, root member, r reset.Request, asJSON bool,
) error {
	p := resetPreview{Instance: root.entry, Reset: r.Reset, Undo: r.Undo,
		Goes: []string{}, Stays: []resetStays{}}
	if r.Undo == "" {
		if err := m.addPreview(&p, root); err != nil {
			return err
		}
	}
	if asJSON {
		return printJSON(w, p)
	}
	p.print(w)
	return nil
}

// addPreview looks into the instance.
func (m *openedPool) addPreview(p *resetPreview, root member) error {
	pin := root.Vendor
	if root.entry == m.running.Instance {
		pin = m.running.Usr
	}
	usr, err := m.usr(pin)
	if err != nil {
		return err
	}
	// Lines that cannot be used are for "freshroot keep list" to tell.
	rules, _ := facts.Keep(m.top, usr.Entry, root.entry)
	dir, err := rootfs.OpenDir(m.top, root.entry)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := p.addGoing(dir); err != nil {
		return err
	}
	for _, rule := range rules {
		if !rule.Gives(keep.Reset) {
			continue
		}
		found, err := bind.Find(dir, rule)
		if err != nil {
			return err
		}
		p.add(found, rules)
	}
	return nil
}

// addGoing adds the names at the top of the instance that are thrown away.
func (p *resetPreview) addGoing(root *os.File) error {
	names, err := root.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("list %q: %w", p.Instance, err)
	}
	slices.Sort(names)
	for _, name := range names {
		own := rootfs.Reserved(name) || name == ".freshroot"
		if !own && (name == "var" || p.Reset == reset.All) {
			p.Goes = append(p.Goes, "/"+name)
		}
	}
	return nil
}

// add adds what stays of the paths that a line matches, with the line that decides.
func (p *resetPreview) add(found []string, rules keep.Rules) {
	for _, path := range found {
		survives, rule := rules.Survives(path, keep.Reset)
		known := slices.ContainsFunc(p.Stays, func(s resetStays) bool {
			return s.Path == path
		})
		if survives && !known && (p.Reset == reset.All || strings.HasPrefix(path, "/var/")) {
			p.Stays = append(p.Stays, resetStays{path, rule.String(), rule.Where()})
		}
	}
}

func (p resetPreview) print(w io.Writer) {
	if p.Undo != "" {
		fmt.Fprintf(w, "%s would be brought back, with the state of today in its place\n", p.Undo)
		return
	}
	fmt.Fprintf(w, "a reset of %s of %s\n", describeScope(p.Reset), p.Instance)
	for _, path := range p.Goes {
		fmt.Fprintf(w, "  goes   %s: to the trash, and begins anew with the factory\n",
			printable(path))
	}
	for _, s := range p.Stays {
		fmt.Fprintf(w, "  stays  %s: %q (%s)\n", printable(s.Path), s.Rule, s.Where)
	}
	if p.Reset == reset.Var {
		fmt.Fprintln(w, "  stays  all outside of /var")
	}
}
