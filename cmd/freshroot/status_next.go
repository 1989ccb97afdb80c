package main

import (
	"os"

	"github.com/freshroot/freshroot/pkg/cmdline"
	"github.com/freshroot/freshroot/pkg/pool"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// options are what this boot was asked for.
func (b bootRecord) options() volatile.Options {
	o, _ := volatile.ParseOptions(cmdline.Parse(b.Cmdline))
	return o
}

// member is the version that runs, parsed.
func (b bootRecord) member() subvol.Member {
	m, _ := subvol.Parse(b.Usr) // the init has parsed it before
	return m
}

// next returns what the next boot would pick, as the init decides: with the kernel and the
// command line of this one. But a pinned version is that of a boot loader's entry, and the
// loader may choose another one with a kernel of its own: then all of the vendor count.
func (b bootRecord) next(dir *os.File) (string, error) {
	entries, err := pool.Entries(dir)
	if err != nil {
		return "", err
	}
	o, kernel := b.options(), b.Kernel
	if m := b.member(); volatile.Pins(o.Usr, m) {
		o.Usr, kernel = m.Vendor, ""
	}
	usr, _, err := volatile.PickUsr(entries, o, subvol.HostArch(),
		func(entry string) error { return pool.CheckUsr(dir, entry, kernel) })
	return usr.Entry, err
}
