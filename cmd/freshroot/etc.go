package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/merge"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

func etcCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "etc",
		Short: "Compare /etc with its factory, and see what an update makes of it",
	}
	c.AddCommand(etcDiffCommand(), etcMergeCommand())
	return group(c)
}

// etcDiffOptions are the flags of the command.
type etcDiffOptions struct {
	root       string
	json, text bool
}

func etcDiffCommand() *cobra.Command {
	var o etcDiffOptions
	c := &cobra.Command{
		Use:   "diff [flags]",
		Short: "Show how /etc differs from the factory",
		Long: `Show how /etc differs from the factory of the /usr that is there, a line for each
path:

  A  added: the factory does not have it
  M  modified: type, owner, mode, extended attributes or content
  D  deleted

A directory that was added or deleted is one line. Times do not count.
NAME` + merge.Suffix + ` is what an update brought for a file that was modified.

Exit status: 0 also if there are differences, 1 if they cannot be found out, 2 for
wrong usage.`,
		Example: "  freshroot etc diff\n  freshroot etc diff --text --root /srv/build/tree",
		Args:    arguments(noArguments),
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(c.OutOrStdout()) },
	}
	c.Flags().StringVar(&o.root, "root", "/", "root `DIR` whose /etc is compared")
	c.Flags().BoolVar(&o.text, "text", false, "show the lines that differ, with diff(1)")
	c.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return c
}

// etcChange is a difference for programs.
type etcChange struct {
	Path   string `json:"path"`
	Change string `json:"change"`
}

// run collects all differences first: half a list would look like a whole one.
func (o etcDiffOptions) run(w io.Writer) error {
	if o.json && o.text {
		return usageError{errors.New("--text and --json do not go together")}
	}
	var changes []merge.Action
	err := o.compare(func(a merge.Action) error {
		changes = append(changes, a)
		return nil
	})
	if err != nil {
		return err
	}
	switch {
	case o.json:
		return printJSON(w, describeActions(changes))
	case o.text:
		return o.printText(w, changes)
	}
	for _, a := range changes {
		fmt.Fprintf(w, "%c  %s\n", letter(a.Op), printable(a.Target()))
	}
	return nil
}

// compare opens /etc and its factory. Where they are links, the root is not one that
// freshroot has made.
func (o etcDiffOptions) compare(do func(merge.Action) error) error {
	if err := needsRoot("comparing all of /etc"); err != nil {
		return err
	}
	root, err := os.Open(o.root)
	if err != nil {
		return err
	}
	defer root.Close()
	factory, err := rootfs.OpenDir(root, "usr/share/factory/etc")
	if err != nil {
		return err
	}
	defer factory.Close()
	etc, err := rootfs.OpenDir(root, "etc")
	if err != nil {
		return err
	}
	defer etc.Close()
	return instance.Diff(factory, etc, do)
}

// letter is the status of a path. What still lies beside a file though it no longer
// applies has been added as well.
func letter(op merge.Op) byte {
	switch op {
	case merge.Changed:
		return 'M'
	case merge.Deleted:
		return 'D'
	}
	return 'A'
}

// printText shows regular files by their lines, and names the rest.
func (o etcDiffOptions) printText(w io.Writer, changes []merge.Action) error {
	for _, a := range changes {
		name := a.Target()
		old := regular(filepath.Join(o.root, "usr/share/factory/etc", name))
		now := regular(filepath.Join(o.root, "etc", name))
		// Of a file that became something else, the lines would say little.
		if old == "" && now == "" || a.Op == merge.Changed && (old == "" || now == "") {
			fmt.Fprintf(w, "%c  %s\n", letter(a.Op), printable(name))
			continue
		}
		if err := unifiedDiff(w, old, now, name); err != nil {
			return err
		}
	}
	return nil
}

// regular returns the path if it is that of a regular file, else "".
func regular(path string) string {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return path
}

// describeActions is never nil, so that it is a list in JSON.
func describeActions(actions []merge.Action) []etcChange {
	list := make([]etcChange, 0, len(actions))
	for _, a := range actions {
		list = append(list, etcChange{a.Target(), a.Op.String()})
	}
	return list
}
