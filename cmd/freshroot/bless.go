package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/pool"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/volatile"
)

func blessCommand() *cobra.Command {
	var giveBack bool
	var purgeAfter int
	c := &cobra.Command{
		Use:   "bless [flags]",
		Short: "Say that the version that runs has booted well",
		Long: `Take the boot counter off the version that runs: it has booted well, and is from now
on booted without being counted. With systemd, freshroot-bless.service does it after
boot-complete.target; other init systems call it when all that matters is up.

With --give-back the version is not blessed, but gets the try of this boot back: the
machine was shut down in order before the boot could be judged. Until it is blessed, a
version gets back three tries at most.

A version that was marked bad in this boot is not blessed.

If the boot loader has counted this boot, by its entry's name, the entry loses its
counter as well, as by systemd-bless-boot, or gets the try back.

With volatile=no and volatile=state, each old state of the instance that has seen three
such boots is deleted from the trash; --purge-after says how many it shall see.

Exit status: 0 if it is so now, or was before; 1 if it could not be done, 2 for wrong
usage.`,
		Args: arguments(noArguments),
		RunE: func(c *cobra.Command, _ []string) error {
			boot, err := readBoot()
			if err != nil {
				return err
			}
			if purgeAfter < 0 || purgeAfter > instance.MaxGoodBoots {
				return usageError{fmt.Errorf("--purge-after is 0 to %d", instance.MaxGoodBoots)}
			}
			if giveBack {
				return boot.giveBack(c.OutOrStdout())
			}
			return boot.bless(c.OutOrStdout(), purgeAfter)
		},
	}
	c.Flags().IntVar(&purgeAfter, "purge-after", 3,
		"delete from the trash what has seen `N` good boots; 0: nothing")
	c.Flags().BoolVar(&giveBack, "give-back", false, "give the try of this boot back instead")
	return c
}

// bless takes the counter off the version that runs, and deletes old states. A pool in
// which nothing is to be done is not opened for writing, which alone would change it.
func (b bootRecord) bless(w io.Writer, purgeAfter int) error {
	entry, done, err := b.isBlessed()
	if err != nil {
		return err
	}
	if done && !b.purges() {
		return errors.Join(tellName(w, entry, entry), b.blessEntries(w, entry))
	}
	return b.changePool(func(dir *os.File) error {
		entry, err := b.entry(dir)
		if err != nil {
			return err
		}
		if b.markedBad(entry) {
			return fmt.Errorf("bless %q: it was marked bad in this boot", entry)
		}
		now, err := pool.Bless(dir, entry)
		if err != nil {
			return err
		}
		err = errors.Join(tellName(w, entry, now), b.blessEntries(w, now))
		return errors.Join(err, b.purgeOld(w, dir, purgeAfter))
	})
}

// isBlessed looks whether the version that runs, entry, is blessed already.
func (b bootRecord) isBlessed() (entry string, is bool, err error) {
	err = b.readPool(func(dir *os.File) error {
		if entry, err = b.entry(dir); err != nil {
			return err
		}
		is, err = pool.IsBlessed(dir, entry)
		return err
	})
	return entry, is, err
}

// markedBad says whether the version that runs was marked bad since it was booted, by the
// name that it has now. One that was bad before, and booted for lack of a better one, has
// the name that it was booted by.
func (b bootRecord) markedBad(entry string) bool {
	m, err := subvol.Parse(entry)
	return err == nil && m.Tries.Bad() && entry != b.Usr
}

// blessEntries takes the counter off the boot loader's entries, if it counts.
func (b bootRecord) blessEntries(w io.Writer, usr string) error {
	if !b.loaderCounts() {
		return nil
	}
	none := func(subvol.Tries) subvol.Tries { return subvol.Tries{} }
	return b.recountEntries(w, usr, none)
}

// loaderCounts says whether the boot loader counts the tries of its entry.
func (b bootRecord) loaderCounts() bool {
	return b.CountedBy == volatile.CountedByLoader || device.LoaderCounts(efivars)
}

// purges says whether this boot is one that old states of the instance wait for. One that
// did not run on it says nothing about it. Where it did, the pool is writable anyway.
func (b bootRecord) purges() bool {
	return b.Instance != "" && (b.Mode == volatile.No || b.Mode == volatile.State)
}

// purgeOld deletes what has seen enough good boots of the instance.
func (b bootRecord) purgeOld(w io.Writer, dir *os.File, after int) error {
	if !b.purges() {
		return nil
	}
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return fmt.Errorf("purge trash: %w", err)
	}
	purged, err := instance.GoodBoot(dir, b.Instance, strings.TrimSpace(string(id)), after)
	if err != nil {
		return fmt.Errorf("purge trash: %w", err)
	}
	return tellDeleted(w, purged)
}

func tellName(w io.Writer, before, now string) (err error) {
	if before == now {
		_, err = fmt.Fprintf(w, "%s stays as it is\n", now)
	} else {
		_, err = fmt.Fprintf(w, "%s is %s now\n", before, now)
	}
	return err
}

// entry is what the version that runs is called by now: its counter may have changed.
func (b bootRecord) entry(dir *os.File) (string, error) {
	entries, err := pool.Entries(dir)
	if err != nil || slices.Contains(entries, b.Usr) {
		return b.Usr, err
	}
	return one(entries, b.Usr)
}

// one returns the only golden master that a name stands for.
func one(entries []string, name string) (string, error) {
	found := volatile.Named(entries, name, subvol.HostArch())
	if slices.Contains(found, name) {
		return name, nil
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("%q is not in the pool", name)
	case 1:
		return found[0], nil
	}
	slices.Sort(found)
	return "", fmt.Errorf("%q could be each of %s", name, strings.Join(found, " "))
}

func markBadCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "mark-bad [flags] VERSION",
		Short: "Spend all tries of a version, so that another one is booted",
		Long: `Spend all tries of a version of the pool that this machine runs from, and those of
its boot loader entry. It is booted again only if nothing better is left, and can be
blessed then. VERSION is what freshroot.usr= takes: 1.2, org.example.os:1.2 or a full
name.

Exit status: 0 if it is bad now, 1 if it could not be done, 2 for wrong usage.`,
		Example: "  freshroot mark-bad 1.2 && reboot",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			boot, err := readBoot()
			if err != nil {
				return err
			}
			return boot.markBad(c.OutOrStdout(), args[0])
		},
	}
}

// markBad spends the tries of a version.
func (b bootRecord) markBad(w io.Writer, name string) error {
	if name == "" {
		return usageError{errors.New("VERSION is empty")}
	}
	return b.changePool(func(dir *os.File) error {
		entries, err := pool.Entries(dir)
		if err != nil {
			return err
		}
		entry, err := one(entries, name)
		if err != nil {
			return err
		}
		now, err := pool.MarkBad(dir, entry, b.Usr)
		if err != nil {
			return err
		}
		return errors.Join(tellName(w, entry, now), b.recountEntries(w, now, subvol.Tries.Spent))
	})
}
