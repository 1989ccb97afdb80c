package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/archive"
	"github.com/freshroot/freshroot/pkg/units"
)

// initramfsCommand returns "freshroot initramfs".
func initramfsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "initramfs",
		Short: "Build and look into the initramfs",
	}
	c.AddCommand(initramfsBuildCommand(), initramfsInspectCommand())
	return group(c)
}

// initramfsBuild is the flags of "freshroot initramfs build".
type initramfsBuild struct {
	release, root string
	output        string
	modules       string
	init, source  string
	add           []string
	compress      string
	rescue        bool
	noShell       bool
	json          bool
}

func initramfsBuildCommand() *cobra.Command {
	var b initramfsBuild
	c := &cobra.Command{
		Use:   "build [flags]",
		Short: "Build an initramfs for a kernel",
		Long: `Build an initramfs: the init of freshroot, and the kernel modules that it needs
to reach the disk. The same input gives the same bytes; SOURCE_DATE_EPOCH sets the
time of the files. No privileges are needed.

The init is compiled, which takes Go and a checkout of freshroot, unless a ready one
is given with --init.

Modules are chosen by name, alias (fs-ext4), path (kernel/drivers/mmc/host/*) or set.
What they need comes along. The sets, of which a kernel has what it has:

` + indent(archive.SetsHelp()),
		Example: `  # for the running kernel
  freshroot initramfs build

  # for a virtual machine, with what freshroot.break= and freshroot.on-failure=shell give
  freshroot initramfs build --modules virtio --rescue

  # for an unpacked OS, with one more driver
  freshroot initramfs build -m /srv/os -k 6.1.0-56-amd64 --modules +megaraid_sas`,
		Args: arguments(noArguments),
		RunE: func(c *cobra.Command, _ []string) error { return b.run(c) },
	}
	f := c.Flags()
	f.StringVarP(&b.release, "kernel", "k", "",
		"kernel `RELEASE` (default: the running one, or the newest that has modules)")
	f.StringVarP(&b.root, "modules-root", "m", "/",
		"`DIR` with lib/modules or usr/lib/modules")
	f.StringVarP(&b.output, "output", "o", "",
		"`FILE` to write (default: freshroot-RELEASE.cpio.zst)")
	f.StringVar(&b.modules, "modules", "default",
		"`LIST` of modules and sets, by commas; +LIST adds to the default")
	f.StringVar(&b.init, "init", "", "ready-made init `FILE`, instead of compiling it")
	f.StringVar(&b.source, "source", "",
		"checkout `DIR` to compile the init from (default: the current directory)")
	f.StringArrayVar(&b.add, "add", nil,
		"`HOSTFILE[:PATH]` to add, owned by root; can be repeated")
	f.BoolVar(&b.rescue, "rescue", false,
		"add a shell and what mends a pool: commands of u-root, freshroot, btrfs")
	f.BoolVar(&b.noShell, "no-shell", false,
		"give no shell, whatever the kernel command line asks for")
	f.StringVar(&b.compress, "compress", string(archive.Zstd),
		"`HOW` to compress: zstd, zstd-19 (with the zstd program, 10 % smaller) or none")
	f.BoolVar(&b.json, "json", false, "print the result as JSON")
	return c
}

// indent shifts a text, as the help shows examples.
func indent(text string) string {
	return "  " + strings.ReplaceAll(text, "\n", "\n  ")
}

func (b *initramfsBuild) run(c *cobra.Command) error {
	o, err := b.options()
	if err != nil {
		return err
	}
	result, err := archive.Build(c.Context(), o)
	if err != nil {
		return adviseInit(err)
	}
	if b.json {
		return printJSON(c.OutOrStdout(), result)
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), summary(result))
	return err
}

// adviseInit adds what to do to the errors of compiling the init.
func adviseInit(err error) error {
	switch {
	case errors.Is(err, archive.ErrNoToolchain):
		return fmt.Errorf("%w: install Go, or give a ready-made init with --init", err)
	case errors.Is(err, archive.ErrNoSource):
		return fmt.Errorf("%w: name a checkout with --source, "+
			"or give a ready-made init with --init", err)
	}
	return err
}

// options turns the flags into what the builder takes.
func (b *initramfsBuild) options() (archive.Options, error) {
	o := archive.Options{
		Output: b.output,
		Init:   b.init,
		Source: b.source,
		Shell:  b.shell(),
	}
	if err := b.parse(&o); err != nil {
		return o, usageError{err}
	}
	var err error
	if !o.Modules.Empty() {
		if o.Kernel, err = b.kernel(); err != nil {
			return o, err
		}
	}
	// The release is known only now.
	if o.Output == "" {
		o.Output = defaultOutput(o)
	}
	o.Time, err = sourceDate(os.Getenv("SOURCE_DATE_EPOCH"))
	return o, err
}

func (b *initramfsBuild) shell() archive.Shell {
	switch {
	case b.rescue:
		return archive.ShellRescue
	case b.noShell:
		return archive.ShellNever
	}
	return archive.ShellIfAdded
}

// parse reads the flags that have a language of their own.
func (b *initramfsBuild) parse(o *archive.Options) (err error) {
	if b.rescue && b.noShell {
		return errors.New("--rescue and --no-shell exclude each other")
	}
	if o.Modules, err = archive.ParseModules(b.modules); err != nil {
		return err
	}
	for _, s := range b.add {
		a, err := archive.ParseAddition(s)
		if err != nil {
			return err
		}
		o.Add = append(o.Add, a)
	}
	o.Compression, err = archive.ParseCompression(b.compress)
	return err
}

// kernel finds the modules to use.
func (b *initramfsBuild) kernel() (archive.Kernel, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return archive.Kernel{}, fmt.Errorf("uname: %w", err)
	}
	running := unix.ByteSliceToString(name.Release[:])
	k, err := archive.FindKernel(b.root, b.release, running)
	var missing *archive.NoModulesError
	switch {
	case errors.As(err, &missing) && len(missing.Have) > 0:
		return k, fmt.Errorf("%w; choose one with -k", err)
	case missing != nil:
		return k, fmt.Errorf("%w; name another directory with -m, "+
			"or do without modules with --modules none", err)
	}
	return k, err
}

// defaultOutput names the file after what is in it.
func defaultOutput(o archive.Options) string {
	name := "freshroot"
	if o.Kernel.Release != "" {
		name += "-" + o.Kernel.Release
	}
	if o.Compression == archive.None {
		return name + ".cpio"
	}
	return name + ".cpio.zst"
}

// sourceDate reads SOURCE_DATE_EPOCH, the seconds that reproducible builds agree on:
// https://reproducible-builds.org/specs/source-date-epoch/
func sourceDate(value string) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	// The archive has 32 bits for it.
	seconds, err := strconv.ParseUint(value, 10, 32)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(int64(seconds), 0), nil
}

// summary is the line that says what was built.
func summary(r archive.Result) string {
	what := "no modules"
	if r.Modules > 0 {
		what = fmt.Sprintf("%d modules of %s", r.Modules, r.Release)
	}
	rescue := ""
	if r.RescueSize > 0 {
		rescue = ", rescue " + units.Bytes(r.RescueSize)
	}
	text := fmt.Sprintf("%s: %s, init %s%s and %s %s before compression",
		r.Output, units.Bytes(r.Size), units.Bytes(r.InitSize), rescue, what, units.Bytes(r.ModulesSize))
	if r.RescueSize > 0 && !r.Btrfs {
		text += "\nwithout btrfs: install btrfs-progs to have it in there"
	}
	return text
}

func initramfsInspectCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "inspect [flags] FILE",
		Short: "List the files and modules of an initramfs",
		Args:  arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			contents, err := inspect(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), contents)
			}
			return printContents(c.OutOrStdout(), contents)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the contents as JSON")
	return c
}

func inspect(name string) (archive.Contents, error) {
	f, err := os.Open(name)
	if err != nil {
		return archive.Contents{}, err
	}
	defer f.Close()
	contents, err := archive.Inspect(f)
	if err != nil {
		return contents, fmt.Errorf("%s: %w", name, err)
	}
	return contents, nil
}

// printContents prints the files, and then the modules as they can be loaded.
func printContents(w io.Writer, contents archive.Contents) error {
	for _, f := range contents.Files {
		fmt.Fprintf(w, "%s %9d /%s\n", listedMode(f.Mode), f.Size, f.Name)
	}
	if contents.Release == "" {
		_, err := fmt.Fprintln(w, "no modules")
		return err
	}
	_, err := fmt.Fprintf(w, "%d modules of %s with %d aliases, in load order:\n%s\n",
		len(contents.Modules), contents.Release, contents.Aliases,
		strings.Join(contents.Modules, " "))
	return err
}

// listedMode is the mode of a file in an archive as ls shows it.
func listedMode(mode archive.Mode) string {
	m := fs.FileMode(mode & 0o777)
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		m |= fs.ModeDir
	case unix.S_IFCHR:
		m |= fs.ModeCharDevice
	case unix.S_IFLNK:
		m |= fs.ModeSymlink
	}
	return m.String()
}
