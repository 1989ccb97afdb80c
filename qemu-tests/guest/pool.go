package guest

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/freshroot/freshroot/qemu-tests/image"
)

// Member is a subvolume of a pool.
type Member struct {
	Name string // such as "usr:org.example.busybox:x86-64:1.0"

	// Usr is the tree whose usr/ the subvolume holds; nil makes an empty one.
	Usr *Tree

	// Release is the kernel the member claims to have modules for, by an empty
	// directory of modules; "" leaves the tree as it is.
	Release string

	Writable bool // golden masters are not

	// Edit, if set, changes the content, before the subvolume becomes read-only.
	Edit func(root string) error
}

// Pool returns what fills a pool with members, for image.Pool. Of members with the
// same tree only the first is a copy: the others are snapshots of it, which is quick
// and takes no room.
func Pool(members ...Member) func(top string) error {
	return func(top string) error {
		copies := make(map[*Tree]string)
		// All are made before any is edited, as they are made from each other.
		for _, m := range members {
			if err := m.create(filepath.Join(top, m.Name), copies); err != nil {
				return fmt.Errorf("make member %q: %w", m.Name, err)
			}
		}
		for _, m := range members {
			if err := m.finish(filepath.Join(top, m.Name)); err != nil {
				return fmt.Errorf("finish member %q: %w", m.Name, err)
			}
		}
		return nil
	}
}

// create makes the subvolume. copies has, by tree, a subvolume to snapshot.
func (m Member) create(path string, copies map[*Tree]string) error {
	if m.Usr == nil {
		return image.Subvolume(path)
	}
	if from := copies[m.Usr]; from != "" {
		return image.Snapshot(path, from)
	}
	copies[m.Usr] = path
	if err := image.Subvolume(path); err != nil {
		return err
	}
	return image.CopyTree(path, filepath.Join(m.Usr.Dir, "usr"))
}

// finish gives the subvolume what sets it apart.
func (m Member) finish(path string) error {
	if m.Release != "" {
		if err := claimModules(path, m.Release); err != nil {
			return err
		}
	}
	if m.Edit != nil {
		if err := m.Edit(path); err != nil {
			return err
		}
	}
	if m.Writable {
		return nil
	}
	return image.SetReadOnly(path, true)
}

// claimModules makes the directory by which a usr shows that it fits a kernel.
func claimModules(usr, release string) error {
	dir := filepath.Join(usr, "lib/modules", release)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// The index is what makes it a directory of modules to most who look.
	return os.WriteFile(filepath.Join(dir, "modules.dep"), nil, 0o644)
}
