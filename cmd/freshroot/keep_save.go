package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/keep"
	"github.com/freshroot/freshroot/pkg/keep/bind"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/volatile"
)

func keepSaveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "save [flags] PATH...",
		Short: "Copy files of the running system into its instance",
		Long: `Copy files or directories that the keep list keeps across a reboot into the
instance, each in one step, so that the next boot finds them. It is for what did not
exist at this boot: what did is bound from the instance and needs no saving.

Exit status: 0 if all are in the instance, 1 if one is not, 2 for wrong usage.`,
		Example: "  freshroot keep save /etc/ssh/ssh_host_*",
		Args:    arguments(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return keepSave(c.ErrOrStderr(), args)
		},
	}
}

// keepSave checks all names before the first one is copied.
func keepSave(problems io.Writer, names []string) error {
	boot, err := readBoot()
	if err != nil {
		return err
	}
	kept, err := openKeep("/", problems)
	if err != nil {
		return err
	}
	defer kept.root.Close()
	for i, name := range names {
		if !path.IsAbs(name) {
			return usageError{fmt.Errorf("%q is not an absolute path", name)}
		}
		names[i] = path.Clean(name)
		if err := boot.mayBeKept(names[i], kept.rules); err != nil {
			return err
		}
	}
	return boot.save(kept.root, names)
}

// mayBeKept says why the next boot would not find what was saved.
func (b bootRecord) mayBeKept(name string, rules keep.Rules) error {
	fresh := b.Mode == volatile.Yes ||
		b.Mode == volatile.State && strings.HasPrefix(name, "/var/")
	switch yes, _ := rules.Survives(name, keep.Reboot); {
	case b.Mode == volatile.Overlay:
		return fmt.Errorf("%q: volatile=overlay keeps nothing", name)
	case !fresh:
		return fmt.Errorf("%q: it is persistent with volatile=%s", name, b.Mode)
	case !yes:
		return fmt.Errorf("%q: no line of the keep list gives it reboot", name)
	case b.Instance == "":
		return fmt.Errorf("%q: this boot has no instance", name)
	}
	return nil
}

// save copies into the instance. What is bound from there is saved already.
func (b bootRecord) save(root *os.File, names []string) error {
	pool, err := mountToChange(b.Pool.Device)
	if err != nil {
		return err
	}
	defer pool.Close()
	instance, err := rootfs.OpenDir(pool, b.Instance)
	if err != nil {
		return err
	}
	defer instance.Close()
	// One that fails does not keep the others from being saved.
	var failures []error
	for _, name := range names {
		if err := bind.Save(root, instance, name); !errors.Is(err, bind.ErrKept) {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}
