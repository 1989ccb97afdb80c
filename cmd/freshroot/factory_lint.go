package main

import (
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/golden/lint"
)

func factoryLintCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "lint [flags] ROOT",
		Short: "Find what will not boot with an empty /etc and /var",
		Long: `Look at the tree ROOT, of which only /usr, with its factory, will be there at boot,
and find what does not work then, and what must not be in an image: links and
lines that lead nowhere, users that nobody makes, services that let anyone in,
passwords and keys.

Exit status: 0 if there is no error, also with warnings and notes; 1 if there
is one, 2 for wrong usage.`,
		Example: `  freshroot factory lint /srv/debian
  freshroot factory lint --json / | jq '.[] | select(.severity == "error")'`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return factoryLint(c.OutOrStdout(), args[0], asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// factoryLint prints what is found; that there are errors is its answer.
func factoryLint(w io.Writer, path string, asJSON bool) error {
	root, err := os.Open(path)
	if err != nil {
		return err
	}
	defer root.Close()
	found, err := lint.Run(root)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if asJSON {
		err = printJSON(w, append([]lint.Finding{}, found...))
	} else {
		printFindings(w, found)
	}
	isError := func(f lint.Finding) bool { return f.Severity == lint.Error }
	if err == nil && slices.ContainsFunc(found, isError) {
		return errSaid
	}
	return err
}

// printFindings prints the findings for people, the worst first.
func printFindings(w io.Writer, found []lint.Finding) {
	count := map[lint.Severity]int{}
	for _, f := range found {
		count[f.Severity]++
		fmt.Fprintf(w, "%s: %s: %s\n  why: %s\n  do:  %s\n",
			f.Severity, printable(f.Path), f.What, f.Why, f.Do)
	}
	fmt.Fprintf(w, "errors: %d, warnings: %d, notes: %d\n",
		count[lint.Error], count[lint.Warning], count[lint.Note])
}
