package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

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
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		p.Goes = append(p.Goes, "/") // a file or a link, and nothing is in it
		return nil
	} else if err != nil {
		return err
	}
	defer dir.Close()
	if err := p.addGoing(dir); err != nil {
		return err
	}
	if err := p.addStaying(dir, rules); err != nil {
		return err
	}
	return p.addCancelled(dir, rules)
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

// addStaying adds what lines of the keep list let stay, with the line that decides.
func (p *resetPreview) addStaying(root *os.File, rules keep.Rules) error {
	return p.find(root, rules, false, func(path string) {
		survives, rule := rules.Survives(path, keep.Reset)
		known := slices.ContainsFunc(p.Stays, func(s resetStays) bool {
			return s.Path == path
		})
		if survives && !known {
			p.Stays = append(p.Stays, resetStays{path, rule.String(), rule.Where()})
		}
	})
}

// addCancelled adds what goes though it is in a directory that stays.
func (p *resetPreview) addCancelled(root *os.File, rules keep.Rules) error {
	err := p.find(root, rules, true, func(path string) {
		survives, _ := rules.Survives(path, keep.Reset)
		inside := slices.ContainsFunc(p.Stays, func(s resetStays) bool {
			return strings.HasPrefix(path, s.Path+"/")
		})
		if !survives && inside && !slices.Contains(p.Goes, path) {
			p.Goes = append(p.Goes, path)
		}
	})
	slices.Sort(p.Goes)
	return err
}

// find calls f with what is matched, of all that is reset, by the lines that let something
// stay, or by those that take it back.
func (p *resetPreview) find(
	root *os.File, rules keep.Rules, cancel bool, f func(path string),
) error {
	for _, rule := range rules {
		if rule.Cancel != cancel || rule.Scopes&keep.Reset == 0 {
			continue
		}
		found, err := bind.Find(root, rule)
		if err != nil {
			return err
		}
		for _, path := range found {
			if p.Reset == reset.All || strings.HasPrefix(path, "/var/") {
				f(path)
			}
		}
	}
	return nil
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
