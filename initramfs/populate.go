package main

import (
	"errors"
	"os"
	"strings"
	"time"

	"github.com/freshroot/freshroot/pkg/factory"
	"github.com/freshroot/freshroot/pkg/keep"
	"github.com/freshroot/freshroot/pkg/keep/bind"
	"github.com/freshroot/freshroot/pkg/machineid"
	"github.com/freshroot/freshroot/pkg/machineid/identity"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/sysusers"
	accounts "github.com/freshroot/freshroot/pkg/sysusers/apply"
	"github.com/freshroot/freshroot/pkg/tmpfiles"
	files "github.com/freshroot/freshroot/pkg/tmpfiles/apply"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// populate copies a part of the factory. A golden master without it boots with what
// its OS makes for itself.
func (b *boot) populate(s volatile.Populate) error {
	root, err := os.Open(volatile.RootDir)
	if err != nil {
		return err
	}
	defer root.Close()
	from, err := rootfs.OpenDir(root, strings.TrimPrefix(s.From, volatile.RootDir+"/"))
	if errors.Is(err, os.ErrNotExist) {
		b.warn("the factory has no " + s.From)
		return nil
	} else if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Open(s.To)
	if err != nil {
		return err
	}
	defer to.Close()
	opts := factory.Options{}
	if !s.Itself {
		opts.Skip = rootfs.Reserved
	}
	stats, err := factory.Copy(to, from, opts)
	for _, conflict := range stats.Conflicts {
		b.warn(conflict)
	}
	if err == nil && s.Itself {
		err = factory.CopyAttributes(to, from)
	}
	return err
}

// keep shows what outlives the boot, though the root does not. What cannot be shown
// is a warning: a root without it is of more use than none.
func (b *boot) keep(s volatile.Keep) error {
	return withDirs(s.Root, s.Instance, func(root, instance *os.File) error {
		below := "/"
		if b.opts.Mode == volatile.State {
			below = "/var"
		}
		rules, problems := keep.Load(rootfs.FS(root))
		b.warnAll("keep list", problems)
		kept, problems := bind.Kept(root, instance, rules, below)
		b.warnAll("keep", problems)
		b.record.kept = kept
		return nil
	})
}

// identify tells the OS and the kernel who the machine is. An OS can do without.
func (b *boot) identify(s volatile.Identity) error {
	return withDirs(s.Root, "/sys", func(root, sysfs *os.File) error {
		facts := identity.Read(root, sysfs, b.params)
		facts.Systemd = s.Systemd
		facts.Persistent = s.Persistent
		choice := machineid.Decide(facts)
		if choice.Warning != "" {
			b.warn(choice.Warning)
		}
		if _, err := identity.Write(root, choice); err != nil {
			b.warn(err.Error())
		}
		b.log.debug("the machine-id is from " + string(choice.Source))
		return b.setHostname(root, s)
	})
}

// setHostname leaves it to systemd where that is the init.
func (b *boot) setHostname(root *os.File, s volatile.Identity) error {
	if s.Systemd {
		return nil
	}
	name, warning := identity.Hostname(root, b.params)
	if warning != "" {
		b.warn(warning)
	}
	if name == "" {
		return nil
	}
	if err := identity.SetHostname(name); err != nil {
		b.warn(err.Error())
	}
	return nil
}

func (b *boot) warnAll(about string, problems []error) {
	for _, problem := range problems {
		b.warn(about + ": " + problem.Error())
	}
}

// withDirs opens two directories for as long as f takes.
func withDirs(first, second string, f func(first, second *os.File) error) error {
	a, err := os.Open(first)
	if err != nil {
		return err
	}
	defer a.Close()
	c, err := os.Open(second)
	if err != nil {
		return err
	}
	defer c.Close()
	return f(a, c)
}

// sysusers makes the users and groups of the OS. What cannot be made is a warning:
// the OS may come up without.
func (b *boot) sysusers(s volatile.Sysusers) error {
	root, err := os.Open(s.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	today := int32(time.Now().Unix() / secondsPerDay)
	err = accounts.Populate(root, today, func(n sysusers.Note) {
		// Most of the warnings say that one line settles what another leaves open.
		if n.Level == sysusers.Error {
			b.warn(n.Text)
		} else {
			b.log.debug(n.Text)
		}
	})
	if err != nil {
		b.warn("sysusers.d: " + err.Error())
	}
	return nil
}

const secondsPerDay = 24 * 60 * 60

// tmpfiles does what tmpfiles.d says, as systemd would at boot. What the kernel
// shows is left to the OS: it is not part of the root yet.
func (b *boot) tmpfiles(s volatile.Tmpfiles) error {
	root, err := os.Open(s.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	report := func(p tmpfiles.Problem) { b.warn(p.Error()) }
	system := files.NewSystem(root)
	config, problems, err := tmpfiles.Load(rootfs.FS(root), system.Options(tmpfiles.Options{
		Boot: true, Exclude: []string{"/dev", "/proc", "/run", "/sys"},
	}))
	if err != nil {
		b.warn("tmpfiles.d: " + err.Error())
		return nil
	}
	for _, p := range problems {
		report(p)
	}
	err = files.Apply(root, config, files.Options{
		Operations: files.Create | files.Remove, Now: time.Now(),
		User: system.User, Group: system.Group, Report: report,
	})
	if files.Exhausted(err) {
		return err
	}
	return nil
}
