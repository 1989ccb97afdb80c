package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/mount"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// home mounts a home member. An OS without one of its homes is of more use than none.
func (b *boot) home(s volatile.Home) {
	err := withDirs(volatile.PoolDir, s.Root, func(pool, root *os.File) error {
		return mountHome(pool, root, s)
	})
	if err != nil {
		b.warn(fmt.Sprintf("mount %s on /home/%s: %v", s.Member, s.User, err))
	}
}

// mountHome goes by descriptors: neither the members nor what is in /home is trusted.
func mountHome(pool, root *os.File, s volatile.Home) error {
	member, err := rootfs.OpenDir(pool, s.Member)
	if err != nil {
		return err
	}
	defer member.Close()
	if is, err := btrfs.IsSubvolume(member); err != nil {
		return err
	} else if !is {
		return errors.New("it is no subvolume")
	}
	home, err := rootfs.OpenDir(root, "home")
	if err != nil {
		return err
	}
	defer home.Close()
	err = unix.Mkdirat(int(home.Fd()), s.User, 0o755)
	if err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make directory %s/%s: %w", home.Name(), s.User, err)
	}
	target, err := rootfs.OpenDir(home, s.User)
	if err != nil {
		return err
	}
	defer target.Close()
	return mount.Bind(proc(member), proc(target), 0)
}

// proc is a path to an open file, whatever its name leads to.
func proc(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }
