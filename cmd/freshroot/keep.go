package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/keep"
	"github.com/freshroot/freshroot/pkg/keep/bind"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

func keepCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "keep",
		Short: "Say what survives a reboot, an update and a reset",
		Long: `Answer from the keep list which files survive a reboot with volatile=, an update
and a factory reset, and which line says so. The list is what is built in and what
freshroot/keep.d/*.conf below /etc, /run, /usr/local/lib and /usr/lib hold.

A line that cannot be used is told on standard error; the others hold.`,
	}
	c.AddCommand(keepListCommand(), keepWhyCommand(), keepSaveCommand())
	return group(c)
}

// keepOptions are the flags of the commands that only look.
type keepOptions struct {
	root string
	json bool
}

// flags adds the flags to a command, and returns it.
func (o *keepOptions) flags(c *cobra.Command) *cobra.Command {
	c.Flags().StringVar(&o.root, "root", "/", "root `DIR` whose keep list is read")
	c.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return c
}

func keepListCommand() *cobra.Command {
	var o keepOptions
	return o.flags(&cobra.Command{
		Use:   "list [flags]",
		Short: "List the lines of the keep list, and what matches them now",
		Long: `List the lines in the order of their precedence, the last one wins, with what they
match now.

Exit status: 0 if all lines can be used, 1 if one cannot, 2 for wrong usage.`,
		Example: "  freshroot keep list\n  freshroot keep list --root /srv/build/tree",
		Args:    arguments(noArguments),
		RunE: func(c *cobra.Command, _ []string) error {
			return o.list(c.OutOrStdout(), c.ErrOrStderr())
		},
	})
}

func keepWhyCommand() *cobra.Command {
	var o keepOptions
	return o.flags(&cobra.Command{
		Use:   "why [flags] PATH",
		Short: "Explain what a path survives, and which line says so",
		Long: `Explain for each mode of volatile=, for an update and for a factory reset whether a
path survives it, and which line of the keep list says so. The path need not exist.`,
		Example: "  freshroot keep why /etc/ssh/ssh_host_ed25519_key",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return o.why(c.OutOrStdout(), c.ErrOrStderr(), args[0])
		},
	})
}

// keepLine is a line of the list for programs.
type keepLine struct {
	Path      string   `json:"path"`
	Directory bool     `json:"directory"`
	Cancel    bool     `json:"cancel"`
	Scopes    []string `json:"scopes"`
	Where     string   `json:"where"`
	Matches   []string `json:"matches"`

	rule keep.Rule
}

func (o keepOptions) list(out, problems io.Writer) error {
	kept, err := openKeep(o.root, problems)
	if err != nil {
		return err
	}
	defer kept.root.Close()
	lines := []keepLine{}
	for _, r := range kept.rules {
		found, err := bind.Find(kept.root, r)
		if err != nil {
			kept.failed = errSaid
			fmt.Fprintf(problems, "freshroot: %s: %v\n", r.Where(), err)
		}
		lines = append(lines, keepLine{
			Path: r.Pattern, Directory: r.Dir, Cancel: r.Cancel, Where: r.Where(),
			Scopes:  strings.Fields(r.Scopes.String()),
			Matches: append([]string{}, found...), // in JSON none is [], not null
			rule:    r,
		})
	}
	if o.json {
		err = printJSON(out, lines)
	} else {
		err = printKeep(out, lines)
	}
	if err != nil {
		return err
	}
	return kept.failed
}

// keepList is the keep list of a root, which is open.
type keepList struct {
	root   *os.File
	rules  keep.Rules
	failed error // errSaid if a line is left out
}

// openKeep reads a keep list, and tells what is wrong with it.
func openKeep(dir string, problems io.Writer) (keepList, error) {
	root, err := os.Open(dir)
	if err != nil {
		return keepList{}, err
	}
	kept := keepList{root: root}
	rules, bad := keep.Load(rootfs.FS(root))
	for _, problem := range bad {
		kept.failed = errSaid
		fmt.Fprintf(problems, "freshroot: %v\n", problem)
	}
	kept.rules = rules
	return kept, nil
}

// printKeep prints a table for people.
func printKeep(w io.Writer, lines []keepLine) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PATH\tSCOPES\tLINE\tMATCHES NOW")
	for _, l := range lines {
		text := strings.TrimSuffix(l.rule.String(), " "+l.rule.Scopes.String())
		matches := clip(l.Matches)
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", text, l.rule.Scopes, l.Where, matches)
	}
	return table.Flush()
}

// clip shows the first of the names, quoted where a terminal would not show them.
func clip(names []string) string {
	const most = 3
	if len(names) == 0 {
		return "-"
	}
	var shown []string
	for _, name := range names[:min(len(names), most)] {
		if quoted := fmt.Sprintf("%q", name); quoted != `"`+name+`"` {
			name = quoted
		}
		shown = append(shown, name)
	}
	if len(names) > most {
		shown = append(shown, fmt.Sprintf("and %d more", len(names)-most))
	}
	return strings.Join(shown, " ")
}

func (o keepOptions) why(out, problems io.Writer, name string) error {
	if !path.IsAbs(name) {
		return usageError{fmt.Errorf("%q is not an absolute path", name)}
	}
	kept, err := openKeep(o.root, problems)
	if err != nil {
		return err
	}
	defer kept.root.Close()
	// A line that is left out is no failure here: the question has its answer.
	yes, _ := keep.Load(keep.Fresh(rootfs.FS(kept.root)))
	verdicts := kept.rules.Why(name, yes)
	if o.json {
		return printJSON(out, verdicts)
	}
	for _, v := range verdicts {
		answer := "no"
		if v.Survives {
			answer = "yes"
		}
		fmt.Fprintf(out, "%s: %s, %s", v.Event, answer, v.Reason)
		if v.Rule != "" {
			fmt.Fprintf(out, ": %q (%s)", v.Rule, v.Where)
		}
		fmt.Fprintln(out)
	}
	return nil
}
