package main

import (
	"bufio"
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
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/sysusers"
	"github.com/freshroot/freshroot/pkg/sysusers/apply"
)

// systemdVersion is the one that we act as, for scripts that ask for it.
const systemdVersion = "257"

// sysusersOptions are the flags of the command.
type sysusersOptions struct {
	root, image, replace string
	inline, dryRun       bool
	catConfig, tldr      bool
	noPager              bool // what is printed goes to the standard output anyway
}

// sysusersCommand has the flags of systemd-sysusers, so that it can be called as that.
func sysusersCommand() *cobra.Command {
	var o sysusersOptions
	c := &cobra.Command{
		Use:   "sysusers [flags] [CONFIGURATION_FILE...]",
		Short: "Make the users and groups that sysusers.d brings",
		Long: `Make the system users and groups that are asked for by the configuration in
sysusers.d/*.conf below /etc, /run, /usr/local/lib and /usr/lib, with the ids
that systemd-sysusers would choose.

With configuration files, only these are read. A name without a slash is looked
for in those directories; '-' is the standard input.

Exit status: 0 if all went well, also if lines of the configuration in the
directories could not be used; 1 if something failed, 2 for wrong usage.`,
		Example: `  freshroot sysusers --root=/mnt
  freshroot sysusers --inline 'u httpd 440 "HTTP server" /srv/http'
  freshroot sysusers --dry-run`,
		Version: systemdVersion,
		RunE: func(c *cobra.Command, args []string) error {
			return o.run(c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr(), args)
		},
	}
	c.SetVersionTemplate("systemd {{.Version}} (freshroot)\n")
	f := c.Flags()
	f.StringVar(&o.root, "root", "", "make them in this root (default: of this system)")
	f.StringVar(&o.image, "image", "", "not supported: mount it and use --root")
	f.StringVar(&o.replace, "replace", "", "let the arguments count as this `file`")
	f.BoolVar(&o.inline, "inline", false, "arguments are lines of configuration")
	f.BoolVar(&o.dryRun, "dry-run", false, "only say what would be made")
	f.BoolVar(&o.catConfig, "cat-config", false, "print the configuration files")
	f.BoolVar(&o.tldr, "tldr", false, "print the configuration files without comments")
	f.BoolVar(&o.noPager, "no-pager", false, "accepted: nothing is paged")
	return c
}

// check finds what cannot be asked for.
func (o sysusersOptions) check(args []string) error {
	if o.image != "" {
		return errors.New("--image is not supported: mount the image and use --root")
	}
	return checkReplace(o.replace, o.catConfig || o.tldr, args)
}

// run does what the flags ask for.
func (o sysusersOptions) run(in io.Reader, out, messages io.Writer, args []string) error {
	if err := o.check(args); err != nil {
		return usageError{err}
	}
	root, err := os.OpenFile(cmp.Or(o.root, "/"), os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return fmt.Errorf("open root: %w", err)
	}
	// From here on paths are resolved beneath it.
	defer root.Close()
	if o.catConfig || o.tldr {
		return o.print(out, root)
	}
	// Errors in lines are told when they are found, and not again at the end.
	noted, said := false, bufio.NewWriter(messages)
	defer said.Flush()
	run := sysusersRun{sysusersOptions: o, dir: root, in: in}
	facts := sysusersRoot(root, func(n sysusers.Note) {
		noted = noted || n.Level == sysusers.Error
		fmt.Fprintln(said, n.Text)
	})
	// Another root has its own directory services, which are not running.
	if o.root == "" {
		facts.User, facts.Group = getent("passwd"), getent("group")
	}
	run.config = sysusers.New(facts)
	if err := run.read(args); err != nil {
		return saidOr(noted, err)
	}
	// Both decide in the same way.
	if o.dryRun {
		return run.preview(said)
	}
	if err := apply.Commit(root, run.config); err != nil {
		return err
	}
	return nil
}

// print prints the configuration of a root.
func (o sysusersOptions) print(w io.Writer, root *os.File) error {
	files, err := dropin.Files(rootfs.FS(root), "sysusers.d", ".conf")
	if err == nil {
		err = printConfig(w, root, files, o.tldr)
	}
	if err != nil {
		return err
	}
	return nil
}

// saidOr keeps a line's error, which is told where it is found, from being told twice.
func saidOr(said bool, err error) error {
	// Errors without a line, as of a file that is not there, were not told before.
	var line *sysusers.LineError
	if said && errors.As(err, &line) {
		return errSaid
	}
	return err
}

// sysusersRun is one call of the command.
type sysusersRun struct {
	sysusersOptions
	dir    *os.File
	config *sysusers.Config
	in     io.Reader
}

// read reads the configuration that was asked for, and what a credential adds to it.
func (r *sysusersRun) read(args []string) (err error) {
	// Arguments alone take the place of all directories.
	switch {
	case r.replace != "":
		err = r.readAround(args)
	case len(args) > 0:
		err = r.readArguments(args)
	default:
		err = apply.ReadConfig(r.config, r.dir)
	}
	if err != nil {
		return err
	}
	path, ok := credentialPath("sysusers.extra")
	if ok {
		// A bad line of it is noted, and no more than that.
		_ = r.readPath(path)
	} else if dir, set := os.LookupEnv("CREDENTIALS_DIRECTORY"); set {
		return fmt.Errorf("read credentials: %q is no clean absolute path", dir)
	}
	return nil
}

// readAround reads the directories, and the arguments where the replaced file would be.
func (r *sysusersRun) readAround(args []string) error {
	fsys := rootfs.FS(r.dir)
	var dirs []string
	for _, dir := range dropin.Directories {
		dirs = append(dirs, dir+"/sysusers.d")
	}
	// The file need not be there, nor need its directory be one of the four.
	name := strings.TrimPrefix(filepath.Clean(r.replace), "/")
	before, after, counts, err := dropin.Around(fsys, dirs, ".conf", name)
	if err != nil {
		return err
	}
	// Where the arguments stand among the files decides who comes first.
	for _, file := range before {
		apply.ReadFile(r.config, fsys, file.Path)
	}
	if counts {
		if err := r.readArguments(args); err != nil {
			return err
		}
	}
	for _, file := range after {
		apply.ReadFile(r.config, fsys, file.Path)
	}
	return nil
}

// readArguments stops at the first argument with an error in it.
func (r *sysusersRun) readArguments(args []string) (err error) {
	// What was asked for by name has to be right as a whole.
	for i, arg := range args {
		// Lines are numbered by the argument they came in.
		switch {
		case r.inline:
			err = r.config.Line("(argument)", uint32(i+1), arg)
		case arg == "-":
			err = r.config.Read("<stdin>", r.in)
		case strings.Contains(arg, "/"):
			err = r.readPath(arg)
		default:
			err = r.search(arg)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readPath reads a file of the running system, not of the root.
func (r *sysusersRun) readPath(path string) error {
	// As the shell that called us sees it: it need not be in the root.
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return r.config.Read(path, f)
}

// search reads a file of the root's directories of configuration.
func (r *sysusersRun) search(name string) error {
	// The first directory that has it counts, as for the files that are found there.
	for _, dir := range dropin.Directories {
		err := apply.ReadFile(r.config, rootfs.FS(r.dir), dir+"/sysusers.d/"+name)
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return fmt.Errorf("no directory of configuration has %q: %w", name, os.ErrNotExist)
}

// preview says what would be made.
func (r *sysusersRun) preview(messages io.Writer) error {
	plan, err := apply.Preview(r.dir, r.config)
	if err != nil {
		return err
	}
	// Whether they change in the end is only known when they are written.
	for _, name := range plan.Touches() {
		fmt.Fprintf(messages, "Would write /etc/%s.\n", name)
	}
	return nil
}
