package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIRECTORY",
		Short: "Write the manual pages of all commands to a directory",
		Long: `Write the manual pages of all commands to a directory, for packages to install.
They are made from the help texts.`,
		Example: "  freshroot man /usr/share/man/man8",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			c.Root().DisableAutoGenTag = true
			header := &doc.GenManHeader{Section: "8", Source: "freshroot", Manual: "freshroot"}
			return doc.GenManTree(c.Root(), header, args[0])
		},
	}
}
