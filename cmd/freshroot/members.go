package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/pool"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// memberOptions are the flags of the commands that work on a pool.
type memberOptions struct {
	pool string
	json bool
}

// poolFlag adds the flag that names the pool, and returns the command.
func (o *memberOptions) poolFlag(c *cobra.Command) *cobra.Command {
	c.Flags().StringVar(&o.pool, "pool", "",
		"block device of the pool, or where its top level is mounted (default: that of this machine)")
	return c
}

// flags adds that and --json.
func (o *memberOptions) flags(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return o.poolFlag(c)
}

// openedPool is a pool that is open and may be changed.
type openedPool struct {
	top     *os.File
	entries []string
	running running
}

// running is what the machine runs from this pool; nothing, if it is not this one.
type running struct {
	Instance string `json:"instance"`
	Usr      string `json:"usr"`
	Pool     struct {
		Device string `json:"device"`
	} `json:"pool"`
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
	return f(m)
}

// open opens the top level of the pool.
func (o *memberOptions) open() (m *openedPool, err error) {
	m = &openedPool{}
	if err := m.running.read(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	path := o.pool
	if path == "" {
		path = m.running.Pool.Device
	}
	if path == "" {
		return nil, errors.New("freshroot did not boot this machine: name a pool with --pool")
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if path != m.running.Pool.Device {
		m.running = running{}
	}
	if info.IsDir() {
		m.top, err = os.Open(path)
	} else {
		m.top, err = mountNowhere(path)
	}
	return m, err
}

// read reads the record that the init has left.
func (r *running) read() error {
	const file = "/run/freshroot/boot.json"
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, r); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	return nil
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

// usr picks the golden master that an instance is made with: the one that is running, or
// the one that a boot would pick.
func (m *openedPool) usr(pin string) (volatile.Usr, error) {
	if pin == "" {
		pin = m.running.Usr
	}
	arch := subvol.HostArch()
	usr, _, err := volatile.PickUsr(m.entries, volatile.Options{Usr: pin}, arch,
		func(entry string) error { return pool.CheckUsr(m.top, entry, "") })
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
