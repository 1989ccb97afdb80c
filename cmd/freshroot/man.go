package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man [flags] DIRECTORY",
		Short: "Write the manual pages of all commands to a directory",
		Long: `Write the manual pages of all commands to a directory, for packages to install.
They are made from the help texts. The directory is made if it is not there.`,
		Example: "  freshroot man /usr/share/man/man8",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE:    func(c *cobra.Command, args []string) error { return writeMan(c.Root(), args[0]) },
	}
}

// writeMan writes the pages of a tree of commands, which is good for nothing else then.
func writeMan(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root.DisableAutoGenTag = true
	prepareMan(root)
	header := &doc.GenManHeader{Section: "8", Source: "freshroot", Manual: "freshroot"}
	return doc.GenManTree(root, header, dir)
}

// prepareMan makes the help of a command and of those below it fit for a page. Cobra
// takes the description for Markdown, and prints a default for each option, which in
// most cases is nothing; so commands and options become a part of the description.
func prepareMan(c *cobra.Command) {
	c.InitDefaultHelpFlag()
	c.InitDefaultVersionFlag()
	var page strings.Builder
	page.WriteString(markdown(c.Long))
	title := "\n\n# COMMANDS\n"
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			fmt.Fprintf(&page, "%s**%s**\n: %s\n\n", title, sub.Name(), markdown(sub.Short))
			title = ""
		}
		prepareMan(sub)
		// The shells' pages would say no more than the help that packagers read once.
		sub.Hidden = sub.Hidden || c.Name() == completionName
	}
	page.WriteString("\n\n# OPTIONS\n")
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		page.WriteString(manOption(f))
		f.Hidden = true // from cobra, which would list it again
	})
	c.Long = page.String()
}

// manOption is an option as an item of a list.
func manOption(f *pflag.Flag) string {
	value, usage := pflag.UnquoteUsage(f)
	names := "**--" + f.Name + "**"
	if f.Shorthand != "" {
		names = "**-" + f.Shorthand + "**, " + names
	}
	if value != "" {
		names += " *" + value + "*"
	}
	switch f.DefValue {
	case "", "false", "[]", "0":
	default:
		usage += " (default: " + f.DefValue + ")"
	}
	return names + "\n: " + markdown(usage) + "\n\n"
}

// markdown turns a help text into Markdown: lines that are indented are a list, to be
// left as it is, and what is a character in the others shall stay one.
func markdown(text string) string {
	characters := strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "<", `\<`, "[", `\[`)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, " ") {
			lines[i] = "    " + line
		} else {
			lines[i] = characters.Replace(line)
		}
	}
	return strings.Join(lines, "\n")
}
