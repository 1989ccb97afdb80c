package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/freshroot/freshroot/pkg/factory"
	"github.com/freshroot/freshroot/pkg/golden"
	"github.com/freshroot/freshroot/pkg/golden/rules"
	"github.com/freshroot/freshroot/pkg/units"
)

// factoryCommand is for who makes images; the init copies a factory without it.
func factoryCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "factory",
		Short: "Make the factory of a golden master, and check it",
	}
	c.AddCommand(factoryBuildCommand(), factoryLintCommand())
	return group(c)
}

// factoryBuildOptions are the flags of the command.
type factoryBuildOptions struct {
	golden.Options
	dryRun, verbose, json bool
}

func factoryBuildCommand() *cobra.Command {
	var o factoryBuildOptions
	c := &cobra.Command{
		Use:   "build [flags] ROOT",
		Short: "Turn the /etc and /var of an installed tree into its factory",
		Long: `Copy the /etc and /var of the tree ROOT to its usr/share/factory, without what
must be in no image: keys, password hashes, identities, logs, caches, and so on.
What has no line in tmpfiles.d and sysusers.d gets one, for systemd's own tools.
After that, ROOT/usr is all that a golden master needs.

People (users and groups from 1000 to 60000) are dropped, passwords are locked.

Globs are of paths like etc/hostname; ** is any number of directories. If
SOURCE_DATE_EPOCH is set, no file gets a later time.

Exit status: 0 if it is done, 1 if it failed, 2 for wrong usage.`,
		Example: `  freshroot factory build --dry-run /srv/debian
  freshroot factory build --include etc/fstab --exclude 'etc/**/*.bak' /srv/debian`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return o.run(c.OutOrStdout(), args[0])
		},
	}
	f := c.Flags()
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "only say what would be done")
	factoryFlags(f, &o.Options)
	f.BoolVarP(&o.verbose, "verbose", "v", false, "list each file that is dropped, and why")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return c
}

// factoryFlags adds what says what to drop.
func factoryFlags(f *pflag.FlagSet, o *golden.Options) {
	f.StringArrayVar(&o.Exclude, "exclude", nil, "drop what matches this `GLOB`, too")
	f.StringArrayVar(&o.Include, "include", nil, "keep what matches this `GLOB`, with all below it")
	f.BoolVar(&o.KeepPasswords, "keep-passwords", false, "do not lock passwords")
	f.BoolVar(&o.KeepUsers, "include-users", false, "keep people, too")
	f.BoolVar(&o.DropPackages, "drop-package-database", false, "drop what apt, rpm and others know")
}

// run builds, or says what it would build.
func (o factoryBuildOptions) run(w io.Writer, path string) error {
	var err error
	if o.Epoch, err = sourceDateEpoch(); err != nil {
		return usageError{err}
	}
	// Before anything is looked at: a wrong glob is a mistake in the command line.
	if _, err = rules.New(nil, o.Exclude, o.Include); err != nil {
		return usageError{err}
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer root.Close()
	var (
		plan  *golden.Plan
		stats factory.Stats
	)
	if o.dryRun {
		plan, err = golden.Prepare(root, o.Options)
	} else {
		plan, stats, err = golden.Build(root, o.Options)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if o.json {
		return printJSON(w, plan)
	}
	o.print(w, plan, stats)
	return nil
}

// print tells what was done; what was dropped only by the number, unless asked for.
func (o factoryBuildOptions) print(w io.Writer, plan *golden.Plan, stats factory.Stats) {
	dropped := 0
	for _, c := range plan.Changes {
		if c.Action == golden.Drop {
			dropped++
			if !o.verbose && !o.dryRun {
				continue
			}
		}
		fmt.Fprintf(w, "%-5s  %s: %s\n", c.Action, printable(c.Path), c.Why)
	}
	if !o.dryRun {
		fmt.Fprintf(w, "copied %d directories, %d files, %d others, %s\n",
			stats.Dirs, stats.Files+stats.Links, stats.Others, units.Bytes(stats.Bytes))
	}
	fmt.Fprintf(w, "dropped %d paths, %s\n", dropped, units.Bytes(plan.Dropped))
}

// printable is a name from a disk, quoted if it could play tricks on a terminal.
func printable(name string) string {
	if quoted := strconv.Quote(name); quoted != `"`+name+`"` {
		return quoted
	}
	return name
}

// sourceDateEpoch is the time that builders of packages and images ask for, or zero.
func sourceDateEpoch() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is no number of seconds: %q", text)
	}
	return time.Unix(seconds, 0), nil
}
