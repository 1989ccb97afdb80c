package instance

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/factory"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// create makes a whole instance. Its name appears last, when all of it is on the disk.
func (j *job) create() error {
	root, err := j.stageInstance()
	if err != nil {
		return err
	}
	defer root.Close()
	if err := sync(j.staging); err != nil {
		return err
	}
	return rename(j.staging, j.Pool, j.Name)
}

// stageInstance makes a whole instance in staging. The caller closes it.
func (j *job) stageInstance() (*os.File, error) {
	root, err := newSubvolume(j.staging, j.Name)
	if err != nil {
		return nil, err
	}
	if err := j.fillInstance(root); err != nil {
		root.Close()
		return nil, err
	}
	return root, nil
}

// fillInstance makes the parts of a new instance, and the rest as the factory has it.
func (j *job) fillInstance(root *os.File) error {
	for _, part := range parts {
		if err := j.createPart(root, part); err != nil {
			return err
		}
	}
	// The base was staged for /etc, which is a snapshot of it.
	if j.has("etc") {
		if err := j.placeBase(root); err != nil {
			return err
		}
	}
	if err := j.fill(root, j.factory, notOfRoot); err != nil {
		return err
	}
	return rootfs.MakeDirectories(root)
}

// missing returns the parts that are missing or empty, and could be made. Empty is what
// a reset by hand leaves ("rm -r"), and no system that somebody wants to boot.
func (j *job) missing(root *os.File) (missing []string, err error) {
	for _, part := range parts {
		if !j.has(part) {
			continue
		}
		empty, err := isEmpty(root, part)
		if err != nil {
			return missing, fmt.Errorf("instance %q: %w", j.Name, err)
		}
		if empty {
			missing = append(missing, part)
		}
	}
	return missing, nil
}

// repair makes the parts anew that are missing or empty.
func (j *job) repair(root *os.File) (made []string, err error) {
	missing, err := j.missing(root)
	for _, part := range missing {
		if err := j.replace(root, part); err != nil {
			return made, err
		}
		made = append(made, part)
	}
	return made, err
}

// replace puts a part from the factory in the place of an empty one. A subvolume
// cannot be renamed over; if power goes between, the next boot finds none and makes
// it. What is kept of other versions stays: it may be what somebody looks for now.
func (j *job) replace(root *os.File, part string) error {
	if err := j.createPart(j.staging, part); err != nil {
		return err
	}
	if err := sync(j.staging); err != nil {
		return err
	}
	if part == "etc" {
		if err := j.placeBase(root); err != nil {
			return err
		}
	}
	if err := removeAll(root, part); err != nil {
		return err
	}
	return rename(j.staging, root, part)
}

// createPart makes a part as the factory has it. For /etc the base is staged first,
// of which it is a snapshot. Without a factory nobody populated /etc.
func (j *job) createPart(dir *os.File, part string) error {
	if part == "etc" && j.has(part) {
		base, err := j.stageBase()
		if err != nil {
			return err
		}
		defer base.Close()
		if err := btrfs.Snapshot(dir, part, base); err != nil {
			return err
		}
		return j.stampPart(dir, part)
	}
	subvol, err := j.newFrom(dir, part, part)
	if err != nil {
		return err
	}
	subvol.Close()
	if part == "etc" {
		return nil
	}
	return j.stampPart(dir, part)
}

// stampPart says that a part is of the version that is booted.
func (j *job) stampPart(dir *os.File, part string) error {
	f, err := rootfs.OpenDir(dir, part)
	if err != nil {
		return err
	}
	defer f.Close()
	return writeStamp(f, stamp{version: j.usr})
}

// newFrom makes a subvolume and fills it with a part of the factory, if there is one.
// The caller closes it.
func (j *job) newFrom(dir *os.File, name, part string) (*os.File, error) {
	subvol, err := newSubvolume(dir, name)
	if err != nil || !j.has(part) {
		return subvol, err
	}
	if err := j.fillPart(subvol, part); err != nil {
		subvol.Close()
		return nil, err
	}
	return subvol, nil
}

// fillPart makes a new part like that of the factory, also in its owner and mode.
func (j *job) fillPart(subvol *os.File, part string) error {
	from, err := rootfs.OpenDir(j.factory, part)
	if err != nil {
		return err
	}
	defer from.Close()
	if err := j.fill(subvol, from, isOwn); err != nil {
		return err
	}
	return factory.CopyAttributes(subvol, from)
}

// fill copies from the factory; a golden master without one fills nothing. Extents are
// shared, so that a copy takes little more than the space of its names.
func (j *job) fill(dst, source *os.File, skip func(string) bool) error {
	if source == nil {
		return nil
	}
	_, err := factory.Copy(dst, source, factory.Options{Skip: skip})
	return err
}

// notOfRoot are the names at the top of a factory that are not copied: what belongs to
// the OS or the kernel has no place there, and the parts have been made.
func notOfRoot(name string) bool {
	return rootfs.Reserved(name) || slices.Contains(parts, name) || isOwn(name)
}

// has says whether the factory has something for a part. An empty directory is as good
// as none: no part would be complete with it.
func (j *job) has(part string) bool {
	if j.factory == nil {
		return false
	}
	empty, err := isEmpty(j.factory, part)
	return err == nil && !empty
}

// isEmpty says whether a directory is missing or holds nothing but our own files, which
// "rm -r /etc/*" does not remove. Anything else that stands there is an error.
func isEmpty(dir *os.File, name string) (bool, error) {
	f, err := rootfs.OpenDir(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	defer f.Close()
	names, err := f.Readdirnames(3) // one more than we have
	if err == io.EOF {
		err = nil
	}
	return !slices.ContainsFunc(names, func(n string) bool { return !isOwn(n) }), err
}
