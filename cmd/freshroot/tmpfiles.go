package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/dropin"
	"github.com/freshroot/freshroot/pkg/tmpfiles"
	"github.com/freshroot/freshroot/pkg/tmpfiles/apply"
)

// The exit statuses of systemd-tmpfiles, from sysexits.h.
const (
	exitInvalid exitStatus = 65 // lines are wrong; the others were applied
	exitCannot  exitStatus = 73 // not all could be done
)

// exitStatus is returned by a command that has said what is wrong and has a status of
// its own for it.
type exitStatus int

// Error names the status.
func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// tmpfilesOptions are the flags of the command.
type tmpfilesOptions struct {
	create, remove, clean, purge bool

	root, image, replace    string
	prefixes, exclude       []string
	boot, graceful, user    bool
	virtual, inline, dryRun bool
	catConfig, tldr, page   bool
}

func tmpfilesCommand() *cobra.Command {
	var o tmpfilesOptions
	c := &cobra.Command{
		Use:   "tmpfiles {--create|--remove|--clean|--purge} [flags] [CONFIGURATION_FILE...]",
		Short: "Make, adjust and clean up what tmpfiles.d speaks of",
		Long: `Make, adjust, remove and clean up files and directories as the configuration in
tmpfiles.d/*.conf below /etc, /run, /usr/local/lib and /usr/lib says.

With configuration files, only these are read. A name without a slash is looked
for in those directories; '-' is the standard input.

Exit status: 0 if all went well, 65 if lines are wrong (the others are applied),
73 if something could not be done, 1 if nothing could be done, 2 for wrong usage.`,
		Example: `  freshroot tmpfiles --create --remove --boot -E --root=/mnt
  freshroot tmpfiles --clean
  freshroot tmpfiles --create --inline 'd /run/web 0750 www-data - 10d'`,
		Version: systemdVersion,
		RunE: func(c *cobra.Command, args []string) error {
			return o.run(c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr(), args)
		},
	}
	c.SetVersionTemplate("systemd {{.Version}} (freshroot)\n")
	o.flags(c)
	return c
}

func (o *tmpfilesOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&o.create, "create", false, "make and adjust files and directories")
	f.BoolVar(&o.remove, "remove", false, "remove what is marked for removal")
	f.BoolVar(&o.clean, "clean", false, "remove what has become old")
	f.BoolVar(&o.purge, "purge", false, "remove what lines with $ make")
	f.StringVar(&o.root, "root", "", "work on the root in this `DIR` (default: /)")
	f.StringVar(&o.image, "image", "", "not supported: mount the `IMAGE` and use --root")
	f.StringVar(&o.replace, "replace", "", "let the arguments count as the `FILE` of this path")
	f.StringArrayVar(&o.prefixes, "prefix", nil, "only apply lines with this `PREFIX`")
	f.StringArrayVar(&o.exclude, "exclude-prefix", nil, "pass over lines with this `PREFIX`")
	f.BoolVarP(&o.virtual, "exclude-virtual", "E", false,
		"pass over /dev, /proc, /run and /sys")
	f.BoolVar(&o.boot, "boot", false, "also apply lines that are safe at boot only")
	f.BoolVar(&o.graceful, "graceful", false, "take no offence at unknown users and groups")
	f.BoolVar(&o.user, "user", false, "apply the configuration of the user")
	f.BoolVar(&o.inline, "inline", false, "arguments are lines of configuration")
	f.BoolVar(&o.dryRun, "dry-run", false, "only say what would be done")
	f.BoolVar(&o.catConfig, "cat-config", false, "print the configuration files")
	f.BoolVar(&o.tldr, "tldr", false, "print the configuration files without comments")
	f.BoolVar(&o.page, "no-pager", false, "accepted for systemd's sake: nothing is paged")
}

func (o tmpfilesOptions) operations() (ops apply.Operations) {
	for op, asked := range map[apply.Operations]bool{
		apply.Create: o.create, apply.Remove: o.remove,
		apply.Clean: o.clean, apply.Purge: o.purge,
	} {
		if asked {
			ops |= op
		}
	}
	return ops
}

// check finds what cannot be asked for.
func (o tmpfilesOptions) check(args []string) error {
	print := o.catConfig || o.tldr
	switch {
	case o.image != "":
		return errors.New("--image is not supported: mount the image and use --root")
	case o.operations() == 0 && !print:
		return errors.New(
			"you need to specify at least one of --clean, --create, --remove, or --purge")
	case o.purge && len(args) == 0:
		return errors.New("refusing --purge without specification of a configuration file")
	case o.user && o.root != "":
		return errors.New("combination of --user and --root= is not supported")
	}
	return checkReplace(o.replace, print, args)
}

func (o tmpfilesOptions) run(in io.Reader, out, messages io.Writer, args []string) error {
	if err := o.check(args); err != nil {
		return usageError{err}
	}
	root, err := os.OpenFile(cmp.Or(o.root, "/"), os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return fmt.Errorf("open root: %w", err)
	}
	defer root.Close()
	run := tmpfilesRun{tmpfilesOptions: o, dir: root, in: in, messages: messages}
	if run.system, err = newTmpfilesSystem(root, o.user); err != nil {
		return err
	}
	if o.catConfig || o.tldr {
		return run.print(out)
	}
	return run.apply(args)
}

// print prints the configuration in the directories.
func (r *tmpfilesRun) print(w io.Writer) error {
	files, err := dropin.FilesIn(r.system.fsys, r.system.dirs, ".conf")
	if err == nil {
		err = printConfig(w, r.dir, files, r.tldr)
	}
	if err != nil {
		return err
	}
	return nil
}

// tmpfilesRun is one call of the command.
type tmpfilesRun struct {
	tmpfilesOptions
	dir      *os.File
	in       io.Reader
	messages io.Writer
	system   *tmpfilesSystem
}

func (r *tmpfilesRun) apply(args []string) error {
	config, problems, err := r.load(args)
	invalid := false
	for _, p := range problems {
		r.report(p)
		invalid = invalid || p.Class == tmpfiles.Invalid
	}
	if err != nil {
		return err
	}
	unix.Umask(0) // modes are those of the lines
	options := apply.Options{
		Operations: r.operations(), User: r.system.user, Group: r.system.group,
		Report: r.report, Graceful: r.graceful,
	}
	if r.dryRun {
		options.DryRun = func(action string) { fmt.Fprintln(r.messages, "Would "+action) }
	}
	err = apply.Apply(r.dir, config, options)
	switch {
	case apply.Exhausted(err):
		return errSaid
	case invalid:
		return exitInvalid
	case err != nil:
		return exitCannot
	}
	return nil
}

// report says what is wrong. That a line has no meaning here is not.
func (r *tmpfilesRun) report(p tmpfiles.Problem) {
	if p.Class != tmpfiles.Skipped {
		fmt.Fprintln(r.messages, p.Error())
	}
}

func (r *tmpfilesRun) load(args []string) (*tmpfiles.Config, []tmpfiles.Problem, error) {
	sources := tmpfiles.Sources{Dirs: r.system.dirs, Replace: r.replace}
	for i, arg := range args {
		source, err := r.source(i, arg)
		if err != nil {
			return nil, nil, err
		}
		if closer, ok := source.Reader.(io.Closer); ok && arg != "-" {
			defer closer.Close()
		}
		sources.Given = append(sources.Given, source)
	}
	options := tmpfiles.Options{
		Boot: r.boot, Graceful: r.graceful, Prefixes: r.prefixes, Exclude: r.exclude,
		User: r.system.user, Group: r.system.group, Lookup: r.system.lookup,
		Credential: credential,
	}
	if r.virtual {
		options.Exclude = append(options.Exclude, "/dev", "/proc", "/run", "/sys")
	}
	return tmpfiles.LoadFrom(r.system.fsys, sources, r.system.Options(options))
}

// source opens what an argument names.
func (r *tmpfilesRun) source(i int, arg string) (tmpfiles.Source, error) {
	switch {
	case r.inline:
		name := fmt.Sprintf("(argument %d)", i+1)
		return tmpfiles.Source{Name: name, Reader: strings.NewReader(arg + "\n")}, nil
	case arg == "-":
		return tmpfiles.Source{Name: "<stdin>", Reader: r.in}, nil
	case strings.Contains(arg, "/"):
		path, err := filepath.Abs(arg)
		if err != nil {
			return tmpfiles.Source{}, err
		}
		f, err := os.Open(path)
		return tmpfiles.Source{Name: path, Reader: f}, err
	}
	for _, dir := range r.system.dirs {
		f, err := r.system.fsys.Open(dir + "/" + arg)
		if err == nil {
			return tmpfiles.Source{Name: "/" + dir + "/" + arg, Reader: f}, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return tmpfiles.Source{}, err
		}
	}
	return tmpfiles.Source{}, fmt.Errorf("no directory of configuration has %q: %w", arg, os.ErrNotExist)
}
