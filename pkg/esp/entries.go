package esp

import (
	"cmp"
	"fmt"
	"path"
	"slices"

	"github.com/freshroot/freshroot/pkg/bls"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// entry is the name of the version's entry, without a counter.
func (i id) entry(suffix string) bls.Name {
	separator := map[string]string{bls.ConfSuffix: "-", bls.EFISuffix: "_"}[suffix]
	return bls.Name{ID: bls.Safe(i.vendor) + separator + bls.Safe(i.version), Suffix: suffix}
}

// writeEntries adds the entries of type 1.
func (d *decider) writeEntries() error {
	for _, v := range d.want {
		id := idOf(v.Usr)
		e := bls.Entry{
			Title: v.Title, SortKey: id.vendor, Version: id.version, Architecture: bls.Arch(d.Arch),
			Linux: "/" + id.path(kernelName), Options: v.cmdline(),
		}
		if v.Initramfs.Open != nil {
			e.Initrd = []string{"/" + id.path(initramfsName)}
		}
		text := target{dir: bls.EntriesDir, name: id.entry(bls.ConfSuffix), file: Bytes(e.Format())}
		if err := d.writeEntry(v.Usr, text); err != nil {
			return err
		}
	}
	return nil
}

// target is the file of an entry as it shall be.
type target struct {
	dir     string
	name    bls.Name // without its counter
	file    File
	headers int64 // bytes at its beginning that a signature changes
	sign    *Signer
}

// maxName is the longest name on a FAT, in characters.
const maxName = 255

// writeEntry adds the file of an entry, or its new name if that is all that changes.
func (d *decider) writeEntry(m subvol.Member, t target) error {
	t.name.Tries = d.tries(m)
	want := path.Join(t.dir, t.name.String())
	switch {
	case len(t.name.String()) > maxName:
		return fmt.Errorf("%s: its name is too long for a FAT", m)
	case slices.Contains(d.Foreign, want) && d.sizes[want] > 0:
		return fmt.Errorf("%s is not ours: move it away", want)
	}
	d.done[want] = true
	there, err := d.find(idOf(m), t, want)
	switch {
	case err != nil:
		return err
	case there == "":
		d.write(want, t.file, t.sign)
	case there != want:
		d.done[there] = true // it is not removed, for it is no more
		d.plan.Ops = append(d.plan.Ops, Op{Do: Move, Path: there, To: want})
	}
	return nil
}

// find returns the path of an entry that is as it shall be, but perhaps for its counter,
// "" if there is none. The one with the right name is asked first.
func (d *decider) find(id id, t target, want string) (string, error) {
	paths := []string{want}
	for _, e := range d.Entries {
		if e.id() == id && path.Dir(e.Path) == t.dir {
			paths = append(paths, e.Path)
		}
	}
	for _, there := range paths {
		same, err := d.same(there, t.file, t.headers)
		unsigned := t.sign != nil && d.sizes[there] == t.file.Size // nothing follows
		if err != nil || same && !unsigned {
			return there, err
		}
	}
	return "", nil
}

// tries returns the counter of a version's entry: the one that it has, or that of the
// pool, or a new one. One that is bad in the pool has no tries left here either: its
// kernel would have no modules in the version that is booted instead.
func (d *decider) tries(m subvol.Member) subvol.Tries {
	var there []subvol.Tries
	for _, e := range d.Entries {
		if e.id() == idOf(m) && !isMenu(e.Path) {
			there = append(there, e.Tries)
		}
	}
	tries := subvol.Tries{Counted: d.Tries > 0, Left: uint32(d.Tries)}
	if m.Tries.Counted {
		tries = m.Tries
	}
	if len(there) > 0 {
		tries = slices.MinFunc(there, better)
	}
	if m.Tries.Bad() {
		return tries.Spent()
	}
	return tries
}

// better orders counters of one version: it is good if any entry says so.
func better(a, b subvol.Tries) int {
	if a.Counted != b.Counted {
		return map[bool]int{true: 1, false: -1}[a.Counted]
	}
	return cmp.Compare(b.Left, a.Left)
}
