package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/volatile"
)

func espCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "esp",
		Short: "Make the boot loader's entries match the pool",
	}
	c.AddCommand(espSyncCommand(), espListCommand())
	return group(c)
}

// espSync is the flags of "freshroot esp sync", and what shows how far it is.
type espSync struct {
	esp, pool, arch        string
	style, cmdline         string
	signKey, signCert      string
	newest, tries, timeout int
	dryRun, json           bool

	line *progressLine
}

func espSyncCommand() *cobra.Command {
	var o espSync
	c := &cobra.Command{
		Use:   "sync [flags]",
		Short: "Give each golden master of the pool an entry, and remove the others",
		Long: `Make the EFI system partition match the pool that this machine runs from: for each
golden master that has a kernel (lib/modules/RELEASE/vmlinuz and initramfs.img), its
files and an entry that pins it; what is of no version any more goes. The version
that runs and one to fall back to always stay, and what others have put there.

The partition is the one that the boot loader came from, or that on the disk of the
pool. It need not be mounted.

The free space is checked before anything is changed, and power may be cut at any
time. Counters that the boot loader keeps in the names of entries stay.

Exit status: 0 if it matches now, 1 if not, 2 for wrong usage.`,
		Example: `  freshroot esp sync --dry-run
  freshroot esp sync --bootloader uki --sign-key db.key --sign-cert db.crt`,
		Args: arguments(noArguments),
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), c.OutOrStdout()) },
	}
	o.flags(c)
	return c
}

func (o *espSync) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.esp, "esp", "",
		"mounted `DIR` to change (default: the partition is found and mounted)")
	f.StringVar(&o.pool, "pool", "", poolUsage)
	f.StringVar(&o.arch, "arch", subvol.HostArch(), "architecture of the golden masters")
	f.StringVar(&o.style, "bootloader", "",
		"`WHICH`: systemd-boot, uki (systemd-boot with unified kernel images), extlinux (U-Boot), "+
			"grub or none (default: as it is, or systemd-boot)")
	f.StringVar(&o.cmdline, "cmdline", "", "kernel options of all versions "+
		"(default: those that they have, and for new ones those of the version that runs)")
	f.IntVar(&o.newest, "newest", 0,
		"only the newest `N` versions, the one that runs and a fallback (default: all)")
	f.IntVar(&o.tries, "tries", 0,
		"tries that systemd-boot gives a new entry whose version is not counted in the pool")
	f.IntVar(&o.timeout, "timeout", -1, "`SECONDS` that a menu is shown; negative: as it is, or 3")
	f.StringVar(&o.signKey, "sign-key", "",
		"private key `FILE` to sign boot loader and images with (needs sbsign)")
	f.StringVar(&o.signCert, "sign-cert", "", "its certificate `FILE`")
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "only say what would be done")
	f.BoolVar(&o.json, "json", false, "print JSON")
}

func (o espSync) run(ctx context.Context, w io.Writer) error {
	config, err := o.config()
	if err != nil {
		return usageError{err}
	}
	// Who is interrupted leaves nothing half-written behind.
	ctx, stop := untilSignal(ctx)
	defer stop()
	o.line = newLateLine(os.Stderr)
	o.line.update("compare with the pool", 0, 0)
	var result espResult
	err = readPoolAt(o.pool, func(pool *os.File, running bootRecord) error {
		return withESP(o.esp, func(dir *os.File, s esp.State) error {
			result.ESP = dir.Name()
			return o.sync(ctx, pool, running, dir, s, config, &result)
		})
	})
	o.line.end()
	if err != nil {
		return stopped(ctx, err)
	}
	if o.json {
		return printJSON(w, result.describe())
	}
	return result.print(w, o.dryRun)
}

// config reads the flags.
func (o espSync) config() (c esp.Config, err error) {
	c = esp.Config{Arch: subvol.CanonicalArch(o.arch), Tries: o.tries, Timeout: o.timeout}
	if o.tries < 0 || o.newest < 0 {
		return c, errors.New("a number is negative")
	}
	if c.Style, err = parseStyle(o.style); err != nil {
		return c, err
	}
	c.Sign, err = signer(o.signKey, o.signCert)
	return c, err
}

// parseStyle reads --bootloader; "" leaves it as it is.
func parseStyle(name string) (esp.Style, error) {
	switch style := esp.Style(name); style {
	case "", esp.Entries, esp.UKI, esp.Extlinux, esp.Grub, esp.None:
		return style, nil
	}
	return "", fmt.Errorf(
		"--bootloader %q is none of systemd-boot, uki, extlinux, grub and none", name)
}

// signer reads --sign-key and --sign-cert; without both nothing is signed.
func signer(key, cert string) (*esp.Signer, error) {
	switch {
	case (key == "") != (cert == ""):
		return nil, errors.New("--sign-key and --sign-cert go together")
	case key == "":
		return nil, nil
	}
	return &esp.Signer{Key: key, Cert: cert}, nil
}

// sync makes the plan and, unless it is only to be shown, does it.
func (o espSync) sync(ctx context.Context, pool *os.File, running bootRecord,
	dir *os.File, s esp.State, c esp.Config, result *espResult,
) error {
	found, skipped, err := esp.Versions(pool, c.Arch)
	if err != nil {
		return err
	}
	result.Skipped = skipped
	for _, s := range skipped { // one that cannot be read now is not gone
		m, _ := subvol.Parse(s.Entry)
		c.Keep = append(c.Keep, m)
	}
	if c.Cluster, err = esp.Cluster(dir); err != nil {
		return err
	}
	c.Style = cmp.Or(c.Style, s.UsedStyle())
	c.Booted, _ = subvol.Parse(running.Usr) // none if freshroot did not boot this machine
	found, c.Fallback = o.choose(found, c.Booted)
	if len(found) == 0 {
		return errors.New("no golden master of the pool has a kernel" + reasons(skipped))
	}
	for i := range found {
		found[i].Options = o.cmdline
	}
	usr, err := rootfs.OpenDir(pool, found[0].Entry)
	if err != nil {
		return err
	}
	defer usr.Close() // when all has been read
	c.Loader, c.Stub = esp.Programs(rootfs.FS(usr), c.Arch, os.DirFS("/usr"))
	if result.plan, err = esp.Decide(s, found, c); err != nil || o.dryRun {
		return err
	}
	result.plan.Progress = func(op esp.Op) {
		o.line.update(string(op.Do)+" "+printable(op.Path), 0, 0)
	}
	return result.plan.Apply(ctx, dir)
}

// reasons tells why versions were passed over.
func reasons(skipped []volatile.Skipped) string {
	var b strings.Builder
	for _, s := range skipped {
		fmt.Fprintf(&b, "\n  %s: %s", printable(s.Entry), s.Reason)
	}
	return b.String()
}

// choose takes the newest versions, the one that is booted, and a fallback: the newest
// other one that is not bad.
func (o espSync) choose(found []esp.Version, booted subvol.Member) (
	chosen []esp.Version, fallback subvol.Member,
) {
	slices.SortStableFunc(found, esp.Version.Compare)
	for i, v := range found {
		isBooted := v.Is(booted)
		if !isBooted && fallback.Kind == "" && !v.Usr.Tries.Bad() && (i > 0 || booted.Kind != "") {
			fallback = v.Usr
		}
		if o.newest == 0 || i < o.newest || isBooted || v.Usr == fallback {
			chosen = append(chosen, v)
		}
	}
	return chosen, fallback
}
