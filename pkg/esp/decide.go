package esp

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/freshroot/freshroot/pkg/bls"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/version"
)

// decider makes a plan. The sizes in its state are those after the operations so far.
type decider struct {
	State
	Config
	want []Version // newest first, with all options
	kept []id      // neither wanted nor to be removed
	plan Plan
	done map[string]bool // paths of entries that stay, or are written
}

// Decide returns what has to be done so that the versions that are wanted can be booted,
// and no others but those that are protected. It reads the files that are compared, and
// changes nothing.
func Decide(s State, want []Version, c Config) (Plan, error) {
	d := decider{State: s, Config: c, want: slices.Clone(want), done: map[string]bool{}}
	d.sizes = maps.Clone(s.sizes) // the caller's stay as they are
	slices.SortStableFunc(d.want, Version.Compare)
	if err := d.check(); err != nil {
		return Plan{}, err
	}
	d.keep()
	if d.Config.Timeout < 0 {
		d.Config.Timeout = d.timeout
	}
	for i := range d.want {
		d.want[i].Options = d.options(d.want[i])
	}
	d.removeGone()
	if err := inOrder(d.writeAll, d.removeRest); err != nil {
		return Plan{}, fmt.Errorf("plan boot partition: %w", err)
	}
	d.plan.Bytes = need(d.plan.Ops, max(d.Cluster, leastCluster),
		newDirectories(d.plan.Ops, d.directories()))
	return d.plan, nil
}

// directories are those that stay, as far as that is known.
func (d *decider) directories() map[string]bool {
	known := map[string]bool{}
	for file := range d.sizes {
		for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
			known[dir] = true
		}
	}
	return known
}

// Compare orders versions as a boot without a pin would pick them.
func (v Version) Compare(w Version) int {
	if v.Usr.Tries.Bad() != w.Usr.Tries.Bad() {
		return map[bool]int{true: 1, false: -1}[v.Usr.Tries.Bad()]
	}
	return cmp.Or(
		version.Compare(w.Usr.Version, v.Usr.Version),
		strings.Compare(v.Usr.Vendor, w.Usr.Vendor),
	)
}

// Is says whether it is this golden master, whatever its counter.
func (v Version) Is(m subvol.Member) bool { return idOf(v.Usr) == idOf(m) }

// check refuses what cannot be on one partition.
func (d *decider) check() error {
	if (d.Style == Entries || d.Style == UKI) && bls.Arch(d.Arch) == "" {
		return fmt.Errorf("EFI has no name for the architecture %q: take another boot loader", d.Arch)
	}
	taken := map[string]id{}
	for _, v := range d.want {
		id := idOf(v.Usr)
		for _, path := range []string{id.path(""), id.entry(bls.ConfSuffix).ID} {
			path = strings.ToLower(path)
			if other, is := taken[path]; is {
				return fmt.Errorf("%s:%s and %s:%s have the same name on a FAT: keep one of them",
					id.vendor, id.version, other.vendor, other.version)
			}
			taken[path] = id
		}
		if v.Kernel.Open == nil {
			return fmt.Errorf("%s has no kernel", v.Usr)
		}
	}
	return nil
}

// keep notes which versions are protected, though not wanted.
func (d *decider) keep() {
	for _, m := range append([]subvol.Member{d.Booted, d.Fallback}, d.Keep...) {
		wanted := slices.ContainsFunc(d.want, func(v Version) bool { return v.Is(m) })
		if m.Kind != "" && !wanted && !slices.Contains(d.kept, idOf(m)) {
			d.kept = append(d.kept, idOf(m))
		}
	}
}

// options returns what a version is booted with: what is asked for, what it has, or
// what the booted version or the newest one has.
func (d *decider) options(v Version) string {
	if v.Options != "" {
		return v.Options
	}
	for _, id := range []id{idOf(v.Usr), idOf(d.Booted)} {
		for _, e := range d.Entries {
			if e.id() == id {
				return e.Options
			}
		}
	}
	if len(d.Entries) == 0 {
		return ""
	}
	return slices.MaxFunc(d.Entries, func(e, f Entry) int {
		return version.Compare(e.Version, f.Version)
	}).Options
}

// protected says whether a version is to be left as it is.
func (d *decider) protected(id id) bool { return slices.Contains(d.kept, id) }

func (d *decider) wanted(id id) bool {
	return slices.ContainsFunc(d.want, func(v Version) bool { return idOf(v.Usr) == id })
}

// removeGone makes room: what is of a version that is gone boots nothing, so it can go
// before anything new is there. A menu has no entry that can go alone; there the files
// stay until it is written.
func (d *decider) removeGone() {
	d.remove(temporary)
	if d.Style == Extlinux || d.Style == Grub {
		return
	}
	for _, e := range d.Entries {
		if !d.wanted(e.id()) && !d.protected(e.id()) && !isMenu(e.Path) {
			d.remove(e.Path)
		}
	}
	if slices.ContainsFunc(d.Entries, func(e Entry) bool { return isMenu(e.Path) }) {
		return // which may name the files
	}
	d.removeFiles(func(id id) bool { return d.wanted(id) || d.protected(id) })
}

// removeRest removes what was of use until the rest was written: entries in another style
// or with another counter, of versions that are wanted.
func (d *decider) removeRest() error {
	for _, e := range d.Entries {
		if !d.protected(e.id()) && !isMenu(e.Path) && !d.done[e.Path] {
			d.remove(e.Path)
		}
	}
	for _, style := range []Style{Extlinux, Grub} {
		if err := d.retireMenu(style); err != nil {
			return err
		}
	}
	d.removeFiles(func(id id) bool {
		return d.wanted(id) && d.Style != UKI || d.protected(id)
	})
	return nil
}

// removeFiles removes the files of versions that are not to be kept. They are found by
// their directories, since a name cannot always be told from its spelling on a FAT.
func (d *decider) removeFiles(keep func(id) bool) {
	paths := map[string]bool{}
	for _, v := range d.want {
		paths[idOf(v.Usr).path("")] = keep(idOf(v.Usr))
	}
	for _, id := range d.kept {
		paths[id.path("")] = true
	}
	for _, path := range slices.Sorted(maps.Keys(d.sizes)) {
		i := strings.LastIndexByte(path, '/')
		if strings.HasPrefix(path, dir+"/") && !paths[path[:i+1]] {
			d.remove(path)
		}
	}
}

// remove adds the removal of a file, if it is there.
func (d *decider) remove(path string) {
	size, found := d.sizes[path]
	if !found {
		return
	}
	delete(d.sizes, path)
	d.plan.Ops = append(d.plan.Ops, Op{Do: Remove, Path: path, frees: size})
}

// write adds a file to be written. While that is done, the one that it replaces takes its
// space too.
func (d *decider) write(path string, f File, sign *Signer) {
	op := Op{Do: Write, Path: path, File: f, Sign: sign}
	if size, found := d.sizes[path]; found {
		op.frees = size
	}
	d.plan.Ops = append(d.plan.Ops, op)
}

func (d *decider) warn(format string, args ...any) {
	d.plan.Warnings = append(d.plan.Warnings, fmt.Sprintf(format, args...))
}

// writeAll adds what is missing or differs: files first, then what names them.
func (d *decider) writeAll() error {
	switch d.Style {
	case Entries:
		return inOrder(d.installLoader, d.writeFiles, d.writeEntries)
	case UKI:
		return inOrder(d.installLoader, d.writeImages)
	case Extlinux, Grub:
		return inOrder(d.writeFiles, d.writeMenu)
	case None:
		return d.writeFiles()
	}
	return fmt.Errorf("%q is no style", d.Style)
}

// inOrder does steps until one fails.
func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// writeFiles adds the kernels and initramfs.
func (d *decider) writeFiles() error {
	for _, v := range d.want {
		id := idOf(v.Usr)
		err := errors.Join(
			d.update(id.path(initramfsName), v.Initramfs), d.update(id.path(kernelName), v.Kernel))
		if err != nil {
			return err
		}
	}
	return nil
}

// update adds a file to be written, unless it is there already.
func (d *decider) update(path string, f File) error {
	if f.Open == nil {
		return nil
	}
	same, err := d.same(path, f, 0)
	if err == nil && !same {
		d.write(path, f, nil)
	}
	return err
}
