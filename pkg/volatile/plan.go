// Package volatile decides how a machine boots.
//
// The decision is pure: facts in (the command line, the disks, the names in the
// pool), a list of steps out. The init executes the steps, "freshroot plan" prints
// them, and tests compare them with text.
//
//	cmdline -> ParseOptions -> FindPool -> PoolMount -> PickUsr -> New -> steps
//
// What stops a boot is a *Failure, which says what was looked at and what to do.
package volatile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// Plan is how a machine boots, and why.
type Plan struct {
	Kernel   string // release of the running kernel
	Arch     string
	Options  Options
	Pool     Partition
	Usr      Usr
	Instance string // its entry in the pool, or "" where the mode needs none
	Steps    []Step
	Warnings []string // what a person should know, though it does not stop the boot

	renewal Step   // a reset or its undoing, or nil
	homes   []Step // what is mounted below /home

	CountedBy string // who counts this try, or "" where nobody does
	counted   string // the name of Usr once the init has counted
}

// inits are tried in this order where init= does not name one. A shell is better
// than nothing, as the kernel itself has it.
var inits = []string{
	"/usr/lib/systemd/systemd", "/usr/sbin/init", "/usr/bin/init", "/usr/lib/init/init", "/usr/bin/sh",
}

// Facts are what a plan is made of.
type Facts struct {
	Options Options
	Arch    string
	Kernel  string
	Pool    Partition
	Entries []string                 // names at the top level of the pool
	Check   func(entry string) error // why a golden master cannot be used

	Firmware reset.Firmware // what the firmware asks for

	// Golden looks at the golden master that was picked, and at the instance that
	// belongs to it, "" if there is none.
	Golden func(usr Usr, instance string) Golden

	// LoaderCounts, if set, says whether the boot loader counts tries.
	LoaderCounts func() bool
	Unwritable   bool // the pool turned out to be, so that no try can be counted
}

// Golden is what the plan depends on inside of the golden master and its instance.
type Golden struct {
	Systemd bool // its init is systemd, which makes users and files for itself
	Keeps   bool // there are rules for what survives a boot of a volatile mode
	Stale   bool // another version populated the instance

	Release  reset.Release // who the OS is
	Request  reset.Request // what the running system has asked for
	Warnings []string      // what of it could not be read
}

// New decides how to boot. It returns a *Failure if there is nothing to boot.
func New(f Facts) (Plan, error) {
	usr, warnings, err := PickUsr(f.Entries, f.Options, f.Arch, f.Check)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{
		Kernel: f.Kernel, Arch: f.Arch, Options: f.Options, Pool: f.Pool,
		Usr: usr, Warnings: warnings,
	}
	found, exists, err := findInstances(f.Entries, f.Options.Instance, usr.Member)
	if err != nil {
		return Plan{}, err
	}
	instance, present := found[0], ""
	if exists {
		present = instance
	}
	golden := f.Golden(usr, present)
	var more []string
	p.renewal, more = f.renewal(instance, exists, golden)
	p.Warnings = append(p.Warnings, more...)
	if f.Unwritable && exists && (f.Options.Mode == Yes || f.Options.Mode == Overlay) {
		p.Warnings = append(p.Warnings, p.doWithoutWriting(&golden)...)
	}
	p.homes, more = homes(f.Entries, f.Options)
	p.Warnings = append(p.Warnings, more...)
	if f.Options.Mode != Yes || golden.Keeps || p.renewal != nil {
		p.Instance = instance
		p.Warnings = append(p.Warnings, instanceWarnings(found)...)
	}
	p.count(f)
	p.Steps = p.watch(p.growFirst(f, p.steps(golden, exists)))
	p.Warnings = append(p.Warnings, p.checkBreak()...)
	return p, nil
}

// doWithoutWriting leaves out what these modes can boot without, and says so where it
// was asked for.
func (p *Plan) doWithoutWriting(g *Golden) (warnings []string) {
	if p.renewal != nil {
		warnings = append(warnings, "NOT DONE, for the pool cannot be written to: "+p.renewal.String())
	}
	if g.Keeps {
		warnings = append(warnings, "nothing is kept from this boot, for the pool cannot be written to")
	}
	p.renewal, g.Keeps, g.Stale = nil, false, false
	return warnings
}

// PoolMount returns how the top level of the pool is mounted. With volatile=yes
// not a byte of the disk may change, so not even a log is replayed; one that is not
// there needs no such option, which would keep the pool from being written to later.
// An overlay only needs to write if it has to make the instance.
func PoolMount(o Options, hasLog bool) (readOnly bool, options string) {
	switch {
	case o.Mode == Yes && hasLog:
		return true, "subvolid=5,rescue=nologreplay"
	case o.Mode == Yes || o.Mode == Overlay:
		return true, "subvolid=5"
	}
	return false, "subvolid=5"
}

func instanceMember(name, vendor, arch string) (subvol.Member, error) {
	m := subvol.Member{Kind: subvol.Root, Name: name, Vendor: vendor, Arch: arch}
	return subvol.Parse(m.String())
}

// findInstances returns the entries of the instance that belongs to a golden master, the
// one to boot first: several, where they spell the architecture in different ways. If
// there is none, the error is nil and the name is that of the one to be made.
func findInstances(entries []string, name string, usr subvol.Member) (found []string, exists bool, err error) {
	want, err := instanceMember(name, usr.Vendor, usr.Arch)
	if err != nil {
		return nil, false, fmt.Errorf("name instance: %w", err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e, string(subvol.Root)+":") {
			continue
		}
		if m, err := subvol.Parse(e); err == nil && m == want {
			found = append(found, e)
		}
	}
	if found == nil {
		return []string{want.String()}, false, nil
	}
	// The order of the entries is the disk's: it must not decide.
	slices.SortFunc(found, func(a, b string) int {
		return cmp.Or(preferTrue(a == want.String(), b == want.String()), strings.Compare(a, b))
	})
	return found, true, nil
}

// instanceWarnings tells of instances that are in the way of each other.
func instanceWarnings(found []string) []string {
	if len(found) < 2 {
		return nil
	}
	return []string{fmt.Sprintf("%s is booted, and %s left alone: all are the same instance; "+
		"rename or delete what is not wanted", found[0], strings.Join(Clip(found[1:]), " "))}
}

// steps lists what to do once the pool is mounted.
func (p Plan) steps(g Golden, instanceExists bool) []Step {
	steps := p.countFirst(p.instantiate(g, instanceExists))
	steps = append(steps, p.mountRoot()...)
	steps = append(steps, p.fill(g)...)
	if p.Options.Mode == Yes || p.Options.Mode == Overlay {
		steps = append(steps, VolatileRoot{p.Pool.Device})
	}
	if p.Options.ReadOnly && (p.Options.Mode == No || p.Options.Mode == State) {
		steps = append(steps, Protect{RootDir})
	}
	return append(steps, Switch{RootDir, p.init()})
}

// instantiate makes sure of the instance, in the modes that have one.
func (p Plan) instantiate(g Golden, exists bool) []Step {
	step := Instantiate{p.Instance, PoolDir + "/" + p.entry(), !exists}
	switch {
	case p.renewal != nil:
		return p.renew(step, g)
	case p.Instance == "", p.Options.Mode == Overlay && exists && !g.Stale:
		return nil
	case p.Options.Mode == Overlay:
		return []Step{Remount{Writable: true}, step, Remount{Writable: false}}
	case p.Options.Mode == Yes:
		return []Step{Remount{Writable: true}, step}
	}
	return []Step{step}
}

// mountRoot puts the root together.
func (p Plan) mountRoot() []Step {
	instance := PoolDir + "/" + p.Instance
	tmpfs := "mode=0755," + p.Options.Tmpfs
	usr := Bind{PoolDir + "/" + p.entry(), RootDir + "/usr", true}
	switch p.Options.Mode {
	case Yes:
		return []Step{Tmpfs{RootDir, tmpfs}, usr}
	case Overlay:
		return []Step{OverlayRoot{instance, RootDir, tmpfs}, usr}
	case State:
		return []Step{Bind{Source: instance, Target: RootDir}, usr, Tmpfs{RootDir + "/var", tmpfs}}
	}
	return []Step{Bind{Source: instance, Target: RootDir}, usr}
}

// fill lists what makes a mounted root complete: what is copied comes before what
// is kept from earlier boots, and both before what only fills gaps.
func (p Plan) fill(g Golden) (steps []Step) {
	full := p.Options.Populate == "full" || p.Options.Populate == "auto" && !g.Systemd
	if p.Options.Populate != "none" {
		steps = p.copyFactory()
	}
	steps = append(steps, Skeleton{RootDir})
	steps = append(steps, p.homes...)
	if g.Keeps && (p.Options.Mode == Yes || p.Options.Mode == State) {
		steps = append(steps, Keep{PoolDir + "/" + p.Instance, RootDir})
	}
	if p.Options.Populate != "none" {
		persistent := p.Options.Mode == No || p.Options.Mode == State
		steps = append(steps, Identity{RootDir, g.Systemd, persistent})
	}
	if full {
		steps = append(steps, Sysusers{RootDir}, Tmpfiles{RootDir})
	}
	return steps
}

// copyFactory copies what the mode has no instance for.
func (p Plan) copyFactory() []Step {
	switch p.Options.Mode {
	case Yes:
		return []Step{Populate{From: Factory, To: RootDir}}
	case State:
		return []Step{Populate{Factory + "/var", RootDir + "/var", true}}
	}
	return nil
}

func (p Plan) init() []string {
	if p.Options.Init != "" {
		return []string{p.Options.Init}
	}
	if p.Options.NoShell {
		return inits[:len(inits)-1]
	}
	return inits
}
