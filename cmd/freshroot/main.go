// Command freshroot manages golden masters, their instances and how they boot.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// systemdNames are programs of systemd that the tool is when it is called by their
// names, by a link.
var systemdNames = map[string]string{
	"systemd-sysusers": "sysusers",
	"systemd-tmpfiles": "tmpfiles",
}

func main() {
	root := rootCommand()
	asSystemd, isSystemd := systemdNames[filepath.Base(os.Args[0])]
	if isSystemd {
		root.SetArgs(append([]string{asSystemd}, os.Args[1:]...))
	}
	command, err := root.ExecuteC()
	if err == nil {
		return
	}
	status := report(command, err)
	if isSystemd && status == exitUsage { // which has 1 for all that goes wrong
		status = exitFailure
	}
	os.Exit(status)
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "freshroot",
		Short: "Boot Linux statelessly from golden masters",
		Long: `freshroot boots Linux from nothing but its /usr. A pool, one btrfs file system,
holds all versions of an OS and all instances of it; at boot the newest good
version is picked and a root is assembled around it.

Exit status: 0 if all went well, 1 if something failed or the answer is no,
2 if the command line is wrong.`,
		Version:       toolVersion(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		planCommand(), imageCommand(), ciCommand(), initramfsCommand(), manCommand(),
		blessCommand(), markBadCommand(), logCommand(), statusCommand(), listCommand(),
		etcCommand(), factoryCommand(), keepCommand(), sysusersCommand(), tmpfilesCommand(),
		resetCommand(), trashCommand(), rootsCommand(), homesCommand(),
		espCommand(), growCommand(), installCommand(),
	)
	addCompletion(root)
	return cobraCommands(group(root))
}

// cobraCommands adds the commands that cobra brings, with our usage errors: by itself,
// it takes no offence at arguments that they do not know.
func cobraCommands(root *cobra.Command) *cobra.Command {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = isCommand
		case completionName:
			for _, shell := range group(c).Commands() {
				shell.Args = arguments(shell.Args)
			}
		}
	}
	return root
}

// completionName is what cobra calls the command that has one for each shell.
const completionName = "completion"

// isCommand checks that arguments name a command.
func isCommand(c *cobra.Command, args []string) error {
	found, rest, err := c.Root().Find(args)
	if err == nil && len(rest) > 0 {
		err = noCommand(found, rest[0])
	}
	if err != nil {
		return usageError{err}
	}
	return nil
}

// toolVersion is that of the module, or of the commit that the tool was built from.
func toolVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}

// group makes a command one that only has subcommands: alone it shows its help, and
// an unknown one is a mistake in the command line.
func group(c *cobra.Command) *cobra.Command {
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return usageError{noCommand(c, args[0])}
	}
	c.SuggestionsMinimumDistance = 2
	return c
}

// noCommand says that a command has no subcommand of a name, and which are near to it.
func noCommand(c *cobra.Command, name string) error {
	message := fmt.Sprintf("%q is no command of %s", name, c.CommandPath())
	if near := c.SuggestionsFor(name); len(near) > 0 {
		message += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return errors.New(message)
}

// arguments turns a complaint about the number of arguments into a usage error.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

// noArguments refuses any. Cobra would call one an unknown command.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%q: it takes no arguments, only flags", args[0])
	}
	return nil
}
