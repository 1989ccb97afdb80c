package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/freshroot/freshroot/qemu-tests/image"
)

// The members of the pools. peer is for the other initramfs generators: a whole
// system in one writable subvolume. Freshroot leaves such a name alone.
const (
	master   = "usr:org.example.bench:x86-64:1"
	instance = "root:default:org.example.bench:x86-64"
	peer     = "peer"
	poolUUID = "0b5e55ed-0000-4000-8000-0000000be9c4"
)

// makeDisk makes an image with a pool: the golden master with this factory, and what
// more adds at the top level of the pool.
func (l *lab) makeDisk(name, factory string, sizeMiB int, more ...func(top string) error) (
	string, error,
) {
	usr, err := l.userland(name, factory)
	if err != nil {
		return "", err
	}
	members := []guest.Member{
		{Name: master, Usr: usr, Release: l.kernel.Release},
		{Name: peer, Writable: true, Edit: wholeSystem(usr)},
	}
	pool := image.Pool(func(top string) error {
		err := guest.Pool(members...)(top)
		for _, add := range more {
			if err == nil {
				err = add(top)
			}
		}
		return err
	})
	pool.FSUUID = poolUUID
	path := l.path(name + ".img")
	return path, image.Create(path, image.Spec{
		SizeMiB: sizeMiB, Partitions: []image.Partition{pool},
	})
}

// userland makes the tree of the smallest OS: an init and a factory.
func (l *lab) userland(name, factory string) (*guest.Tree, error) {
	tree := &guest.Tree{Dir: l.path(name + ".tree")}
	usr := filepath.Join(tree.Dir, "usr")
	program, err := os.ReadFile(l.mark)
	if err != nil {
		return nil, err
	}
	return tree, errors.Join(
		os.MkdirAll(filepath.Join(usr, "sbin"), 0o755),
		os.WriteFile(filepath.Join(usr, "sbin/init"), program, 0o755),
		os.MkdirAll(filepath.Join(usr, "lib"), 0o755),
		os.WriteFile(filepath.Join(usr, "lib/os-release"), []byte("ID=bench\n"), 0o644),
		os.MkdirAll(filepath.Join(usr, "share/factory"), 0o755),
		image.CopyTree(filepath.Join(usr, "share/factory"), factory),
	)
}

// wholeSystem fills a subvolume with a root directory, as a distribution has it.
func wholeSystem(tree *guest.Tree) func(root string) error {
	return func(root string) error {
		for _, dir := range []string{"usr", "dev", "proc", "sys", "run", "tmp", "root", "mnt"} {
			if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
				return err
			}
		}
		for _, name := range []string{"sbin", "lib"} {
			if err := os.Symlink("usr/"+name, filepath.Join(root, name)); err != nil {
				return err
			}
		}
		return errors.Join(
			image.CopyTree(filepath.Join(root, "usr"), filepath.Join(tree.Dir, "usr")),
			image.CopyTree(root, filepath.Join(tree.Dir, "usr/share/factory")),
		)
	}
}

// addMembers adds older golden masters, which are empty.
func addMembers(n int) func(top string) error {
	return func(top string) error {
		dir, err := os.Open(top)
		if err != nil {
			return err
		}
		defer dir.Close()
		for i := range n {
			name := fmt.Sprintf("usr:org.example.bench:x86-64:0.%d", i+1)
			if err := btrfs.CreateSubvolume(dir, name); err != nil {
				return err
			}
		}
		return nil
	}
}
