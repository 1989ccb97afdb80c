package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/archive"
	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/golden/rules"
	"github.com/freshroot/freshroot/pkg/image"
	"github.com/freshroot/freshroot/pkg/source"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/units"
)

// imageCommand is for who makes images.
func imageCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "image",
		Short: "Build disk images that boot, and look into them",
	}
	c.AddCommand(imageBuildCommand(), imageServeCommand(), imageAddCommand(), imageInspectCommand(), imageVerifyCommand())
	return group(c)
}

// imageBuild are the flags of "freshroot image build".
type imageBuild struct {
	image.Options
	fillFlags
	bootFlags
	builderFlags
	format, size, espSize string
	json, dryRun          bool
}

func imageBuildCommand() *cobra.Command {
	var b imageBuild
	c := &cobra.Command{
		Use:   "build [flags] --usr SOURCE --vendor ID --version V -o FILE",
		Short: "Build a disk image from a tree",
		Long: `Build a disk image that boots: of what the OS in SOURCE has in /usr, and of its /etc
and /var, which become the factory, as "freshroot factory build" does it. Kernel and
initramfs come along, and this tool with its units.

Who is not root builds it in a user namespace, which needs btrfs-progs 6.13 and users in
/etc/subuid, or in a virtual machine, which needs QEMU, and a kernel that may be read.

SIZEs are in bytes, or with K, M, G or T behind in powers of 1024.

The same --seed and SOURCE_DATE_EPOCH give the same identifiers, names and tree.

Exit status: 0 if it is done, 1 if it failed, 2 for wrong usage.`,
		Example: `  freshroot image build --usr /srv/debian --vendor org.example.os --version 1.0 -o disk.img`,
		Args:    arguments(noArguments),
		RunE:    func(c *cobra.Command, _ []string) error { return b.run(c.Context(), c.OutOrStdout()) },
	}
	b.fillFlags.add(c, 0)
	b.bootFlags.add(c, true)
	b.builderFlags.add(c)
	f := c.Flags()
	f.StringVarP(&b.Output, "output", "o", "", "`FILE` to write")
	f.BoolVar(&b.Force, "force", false, "replace a file that exists")
	f.StringVar(&b.format, "format", string(image.Raw), "raw, qcow2, vmdk or vhdx")
	f.StringVar(&b.size, "size", "", "`SIZE` of the disk (default: as large as it has to be)")
	f.StringVar(&b.espSize, "esp-size", "512M", "`SIZE` of the EFI system partition")
	f.IntVar(&b.SectorSize, "sector-size", 512, "512 or 4096 `BYTES`, as the disk has")
	f.StringVar(&b.Compress, "compress", "zstd", "of the pool: zstd, zstd:LEVEL or none")
	f.StringVar(&b.Seed, "seed", "", "`TEXT` that identifiers are derived from (default: made up)")
	f.BoolVarP(&b.dryRun, "dry-run", "n", false, "only say what would be built")
	f.BoolVar(&b.json, "json", false, "print JSON")
	return c
}

// fillFlags are those that say what becomes of a source.
type fillFlags struct {
	image.FillOptions
	usr, vendor, version, arch string
	modules                    string
	noTool                     bool
	tries                      uint32
}

// add adds them; tries is how often a version is tried if nothing is said.
func (o *fillFlags) add(c *cobra.Command, tries uint32) {
	f := c.Flags()
	f.StringVar(&o.usr, "usr", "", "`SOURCE` of the OS")
	f.StringVar(&o.vendor, "vendor", "", "reverse domain name of the OS: org.example.os")
	f.StringVar(&o.version, "version", "", "version of the OS")
	f.StringVar(&o.arch, "arch", subvol.HostArch(), "architecture of the OS")
	f.Uint32Var(&o.tries, "tries", tries,
		"how often the version is tried until it is blessed; 0 for ever")
	f.StringVar(&o.Instance, "root", "", "make the instance `NAME` ready; else the first boot does")
	f.StringVarP(&o.Kernel, "kernel", "k", "", "kernel `RELEASE` (default: the newest)")
	f.StringVar(&o.KernelFrom, "kernel-from", "",
		"`DIR` with boot/vmlinuz-RELEASE and lib/modules, instead of the source's kernel")
	f.StringVar(&o.Initramfs, "initramfs", "", "ready-made initramfs `FILE`, instead of building it")
	f.StringVar(&o.Init, "init", "", "ready-made init `FILE`, instead of compiling it")
	f.StringVar(&o.InitSource, "source", "",
		"checkout `DIR` to compile the init from (default: the current directory)")
	f.StringVar(&o.modules, "modules", "default",
		"`LIST` of modules of the initramfs, as \"freshroot initramfs build\" has it")
	f.StringVar(&o.Tool, "tool", "", "`FILE` that becomes usr/bin/freshroot (default: this program)")
	f.BoolVar(&o.noTool, "no-tool", false, "do not install this tool and its units")
	factoryFlags(f, &o.Factory)
}

// bootFlags are those that say how the firmware comes to the kernel.
type bootFlags struct {
	style, cmdline, key, cert string
	uki                       bool
	timeout                   int
}

// add adds them. What is new has systemd-boot and shows no menu if nothing is said; what is
// there stays as it is.
func (o *bootFlags) add(c *cobra.Command, isNew bool) {
	style, timeout, menu := "as it is, or systemd-boot", -1, "negative: as it is, or 3"
	if isNew {
		style, timeout, menu = "systemd-boot", 0, "0 for none"
	}
	f := c.Flags()
	f.StringVar(&o.style, "bootloader", "",
		"`WHICH`: systemd-boot, uki, extlinux, grub or none (default: "+style+")")
	f.BoolVar(&o.uki, "uki", false, "the same as --bootloader uki: unified kernel images")
	f.StringVar(&o.cmdline, "cmdline", "", "kernel `OPTIONS`")
	f.IntVar(&o.timeout, "timeout", timeout, "`SECONDS` that a menu is shown; "+menu)
	f.StringVar(&o.key, "sign-key", "",
		"private key `FILE` to sign boot loader and images with (needs sbsign)")
	f.StringVar(&o.cert, "sign-cert", "", "its certificate `FILE`")
}

// boot turns the flags into what the library takes.
func (o *bootFlags) boot() (b image.BootOptions, err error) {
	b = image.BootOptions{Cmdline: o.cmdline, Timeout: o.timeout}
	if o.uki {
		if o.style != "" && o.style != string(esp.UKI) {
			return b, usageError{fmt.Errorf("--uki and --bootloader %s exclude each other", o.style)}
		}
		o.style = string(esp.UKI)
	}
	if b.Style, err = parseStyle(o.style); err != nil {
		return b, usageError{err}
	}
	if b.Sign, err = signer(o.key, o.cert); err != nil {
		return b, usageError{err}
	}
	return b, nil
}

// fill turns the flags into what the library takes.
func (o *fillFlags) fill() (image.FillOptions, error) {
	for name, value := range map[string]string{
		"usr": o.usr, "vendor": o.vendor, "version": o.version,
	} {
		if value == "" {
			return o.FillOptions, usageError{fmt.Errorf("--%s is missing", name)}
		}
	}
	m := subvol.Member{Kind: subvol.Usr, Vendor: o.vendor, Arch: o.arch, Version: o.version}
	usr, err := subvol.Parse(m.String())
	if err != nil {
		return o.FillOptions, usageError{err}
	}
	if usr.Tries.Counted {
		return o.FillOptions, usageError{fmt.Errorf("version %q ends in a boot counter", o.version)}
	}
	if o.Instance != "" {
		m := subvol.Member{Kind: subvol.Root, Name: o.Instance, Vendor: usr.Vendor, Arch: usr.Arch}
		if _, err := subvol.Parse(m.String()); err != nil {
			return o.FillOptions, usageError{err}
		}
	}
	o.Usr = usr
	o.Usr.Tries = subvol.Tries{Counted: o.tries > 0, Left: o.tries}
	if o.Modules, err = archive.ParseModules(o.modules); err != nil {
		return o.FillOptions, usageError{err}
	}
	if o.Factory.Epoch, err = sourceDateEpoch(); err != nil {
		return o.FillOptions, usageError{err}
	}
	if _, err = rules.New(nil, o.Factory.Exclude, o.Factory.Include); err != nil {
		return o.FillOptions, usageError{err}
	}
	if o.Tool == "" && !o.noTool {
		o.Tool, err = os.Executable()
	}
	return o.FillOptions, err
}

// plan turns the flags into what will be built.
func (b *imageBuild) plan() (image.Plan, error) {
	var err error
	if b.Output == "" {
		return image.Plan{}, usageError{errors.New("--output is missing")}
	}
	if b.Fill, err = b.fill(); err != nil {
		return image.Plan{}, err
	}
	if b.Boot, err = b.boot(); err != nil {
		return image.Plan{}, err
	}
	if b.Format, err = image.ParseFormat(b.format); err != nil {
		return image.Plan{}, usageError{err}
	}
	if b.Size, err = parseSize(b.size); err != nil {
		return image.Plan{}, usageError{err}
	}
	if b.ESPSize, err = parseSize(b.espSize); err != nil {
		return image.Plan{}, usageError{err}
	}
	p, err := image.NewPlan(b.Options)
	if err != nil {
		return p, usageError{err}
	}
	return p, nil
}

func (b *imageBuild) run(ctx context.Context, w io.Writer) error {
	p, err := b.plan()
	if err != nil {
		return err
	}
	if b.dryRun {
		src, err := source.Open(b.usr)
		if err != nil {
			return err
		}
		src.Close()
		return printBuild(w, p, b.json)
	}
	result, err := b.with(ctx, func(ctx context.Context, src *source.Source, show image.Progress) (
		image.Result, error,
	) {
		p.Fill.Progress = show
		return b.builderFlags.build(ctx, os.Stderr, src, p)
	})
	if err != nil {
		return adviseESP(adviseSize(err), "give a larger --esp-size")
	}
	return printResult(w, result, b.json)
}

// with opens the source, shows how far its use is, and stops it at a signal.
func (o *fillFlags) with(ctx context.Context,
	use func(context.Context, *source.Source, image.Progress) (image.Result, error),
) (image.Result, error) {
	src, err := source.Open(o.usr)
	if err != nil {
		return image.Result{}, err
	}
	defer src.Close()
	ctx, stop := untilSignal(ctx)
	defer stop()
	line := newProgressLine(os.Stderr)
	defer line.end()
	result, err := use(ctx, src, line.update)
	return result, adviseInit(stopped(ctx, err))
}

func printResult(w io.Writer, r image.Result, asJSON bool) error {
	if asJSON {
		return printJSON(w, r)
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
	_, err := fmt.Fprintf(w, "%s: %s, %s with Linux %s\n",
		r.Output, units.Bytes(r.Size), r.Usr, r.Kernel)
	return err
}

// parseSize reads a number of bytes, with a unit of 1024 behind; 0 for nothing.
func parseSize(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	digits := strings.TrimRight(text, "KMGT")
	shift := map[string]int{"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
	unit, known := shift[text[len(digits):]]
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || !known || n <= 0 || n > 1<<62>>unit {
		return 0, fmt.Errorf("size %q: give a number of bytes, such as 4G", text)
	}
	return n << unit, nil
}
