package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/pool"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// memberOptions are the flags of the commands that work on a pool.
type memberOptions struct {
	pool     string
	json     bool
	readOnly bool // the command changes nothing
}

// poolFlag adds the flag that names the pool, and returns the command.
func (o *memberOptions) poolFlag(c *cobra.Command) *cobra.Command {
	c.Flags().StringVar(&o.pool, "pool", "", poolUsage)
	return c
}

// poolUsage is what --pool says of itself.
const poolUsage = "`DISK_OR_IMAGE` with the pool, or where its top level is mounted (default: of this machine)"

// flags adds that and --json.
func (o *memberOptions) flags(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return o.poolFlag(c)
}

// openedPool is a pool that is open and may be changed.
type openedPool struct {
	top     *os.File
	entries []string
	running bootRecord // of this machine, if it runs from this pool
}

// with opens the pool for f. The names are sorted.
func (o *memberOptions) with(f func(m *openedPool) error) error {
	if err := needsRoot("changing or reading a pool"); err != nil {
		return err
	}
	m, err := o.open()
	if err != nil {
		return err
	}
	defer m.top.Close()
	// What is made gets the mode that is asked for, also in copies of trees.
	defer unix.Umask(unix.Umask(0))
	if m.entries, err = pool.Entries(m.top); err != nil {
		return err
	}
	slices.Sort(m.entries)
	return errors.Join(f(m), m.running.restore(m.top))
}

// open opens the top level of the pool.
func (o *memberOptions) open() (m *openedPool, err error) {
	m = &openedPool{}
	if m.running, err = readBoot(); err != nil && !errors.Is(err, errNotBooted) {
		return nil, err
	}
	path := cmp.Or(o.pool, m.running.Pool.Device)
	if path == "" {
		return nil, fmt.Errorf("%w: name a pool with --pool", errNotBooted)
	}
	if m.top, err = o.openTop(path); err != nil {
		return nil, err
	}
	if err := m.identify(); err != nil {
		m.top.Close()
		return nil, err
	}
	return m, nil
}

// openTop opens the top level by where it is mounted, or on a disk or an image.
func (o *memberOptions) openTop(path string) (*os.File, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return o.openMounted(path)
	case o.pool == "": // what we run from is not looked for: the kernel writes there
		return mountPool(path, volatile.Partition{Device: path}, !o.readOnly)
	}
	disk, found, err := poolOn([]string{path})
	if err != nil {
		return nil, err
	}
	return mountPool(disk, found, !o.readOnly)
}

// openMounted opens it by where it is mounted, and locks it if it is to be changed.
func (o *memberOptions) openMounted(path string) (*os.File, error) {
	top, err := os.Open(path)
	if err != nil || o.readOnly {
		return top, err
	}
	if err := device.Lock(top); err != nil {
		top.Close()
		return nil, err
	}
	return top, nil
}

// identify makes sure that it is a pool, and finds out whether this machine runs from
// it, whatever the name that it was opened by.
func (m *openedPool) identify() error {
	is, err := btrfs.IsTopLevel(m.top)
	if err != nil {
		return err
	} else if !is {
		return fmt.Errorf("%q is not the top level of a pool", m.top.Name())
	}
	m.running, err = m.running.ofPool(m.top)
	return err
}

// of returns the members of a kind. Names that do not parse are left alone.
func (m *openedPool) of(kind subvol.Kind) (list []member) {
	for _, entry := range m.entries {
		if parsed, err := subvol.Parse(entry); err == nil && parsed.Kind == kind {
			list = append(list, member{parsed, entry})
		}
	}
	return list
}

// member is a name in the pool, parsed.
type member struct {
	subvol.Member
	entry string
}

// find returns the one member of a kind with this name, or this full name.
func (m *openedPool) find(kind subvol.Kind, name string) (member, error) {
	var found []member
	for _, candidate := range m.of(kind) {
		if candidate.entry == name || candidate.Name == name {
			found = append(found, candidate)
		}
	}
	switch len(found) {
	case 0:
		return member{}, fmt.Errorf("the pool has no %s named %q", describeKind(kind), name)
	case 1:
		return found[0], nil
	}
	var names []string
	for _, f := range found {
		names = append(names, f.entry)
	}
	return member{}, fmt.Errorf("%q is ambiguous, give the full name: %s",
		name, strings.Join(names, " "))
}

func describeKind(kind subvol.Kind) string {
	if kind == subvol.Root {
		return "instance"
	}
	return string(kind)
}

// usr picks the golden master that an instance is made with: what is asked for, or the
// one that is running, or the one that a boot would pick.
func (m *openedPool) usr(pin string) (volatile.Usr, error) {
	arch := subvol.HostArch()
	usr, _, err := volatile.PickUsr(m.entries,
		volatile.Options{Usr: cmp.Or(pin, m.running.Usr)}, arch,
		func(entry string) error { return pool.CheckUsr(m.top, entry, "") })
	if err == nil && !volatile.Fits(pin, usr.Member) {
		return usr, fmt.Errorf("the pool has no %q that can be booted", pin)
	}
	return usr, err
}

// namedInstance is the name of an instance that is to be made, for an OS.
func namedInstance(name string, like subvol.Member) (string, error) {
	m := subvol.Member{Kind: subvol.Root, Name: name, Vendor: like.Vendor, Arch: like.Arch}
	if _, err := subvol.Parse(m.String()); err != nil {
		return "", usageError{err}
	}
	return m.String(), nil
}
