// Package bind shows what is kept across a reboot, from the instance on a fresh root.
//
// A directory that a rule names with a slash at its end is made in the instance if it
// is missing, and where it is empty there it begins with what the factory put on the
// fresh root. Else a rule stands for the files and directories that the instance holds:
// what it does not hold yet is left as it is on the fresh root, until Save.
//
// Neither side is trusted: both are directory descriptors, names are resolved beneath
// them without any symbolic link (openat2(2)), and what is mounted where is said by
// descriptors (open_tree(2), move_mount(2)), so that nothing can be put in between.
// Symbolic links, devices and the like are refused. A directory is filled aside and
// renamed: power may go at any instant.
//
// It needs root (CAP_SYS_ADMIN), Linux 5.8, /proc, and an instance that can be written
// to where something has to be made.
package bind

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/keep"
)

// Kept binds what the rules keep across a reboot over the fresh root, as far as it is
// beneath the directory below: "/", or "/var" where only that is fresh. It returns
// what it bound; what could not be bound is a problem each and does not stop the rest.
func Kept(
	root, instance *os.File, rules keep.Rules, below string,
) (bound []string, problems []error) {
	names, problems := wanted(instance, rules, below)
	for _, name := range names {
		isIn := func(dir string) bool { return beneath(name, dir) }
		if slices.ContainsFunc(bound, isIn) {
			continue // it came with the directory
		}
		if err := bindPath(root, instance, name); err != nil {
			problems = append(problems, fmt.Errorf("keep %q: %w", name, err))
			continue
		}
		bound = append(bound, name)
	}
	return bound, problems
}

// wanted lists what to bind, a directory before what it holds. Each rule is asked for,
// and then all of them: a later one may take the scope back.
func wanted(
	instance *os.File, rules keep.Rules, below string,
) (names []string, problems []error) {
	for _, rule := range rules {
		if !rule.Gives(keep.Reboot) {
			continue
		}
		found := []string{rule.Pattern}
		if !rule.Dir || !rule.Literal() {
			var err error
			if found, err = Find(instance, rule); err != nil {
				problems = append(problems, fmt.Errorf("keep %s: %w", rule, err))
			}
		}
		for _, name := range found {
			if yes, _ := rules.Survives(name, keep.Reboot); yes && beneath(name, below) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), problems
}

// beneath says whether a path is a directory or in it.
func beneath(name, dir string) bool {
	return name == dir || strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}

// bindPath binds one path, and makes what is missing on both sides.
func bindPath(root, instance *os.File, name string) error {
	source, err := openSource(root, instance, name[1:])
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := openTarget(root, instance, name[1:], source)
	if err != nil {
		return err
	}
	defer target.Close()
	if isDir(source) != isDir(target) {
		return fmt.Errorf("bind %q on %q: only one is a directory",
			source.Name(), target.Name())
	}
	return attach(source, target)
}

// attach mounts what one descriptor refers to on what the other one does. mount(2) takes
// paths, which could lead elsewhere by the time that they are followed.
func attach(source, target *os.File) error {
	const clone = unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_EMPTY_PATH
	tree, err := unix.OpenTree(int(source.Fd()), "", clone)
	if err != nil {
		return fmt.Errorf("open tree %q: %w", source.Name(), err)
	}
	defer unix.Close(tree)
	const here = unix.MOVE_MOUNT_F_EMPTY_PATH | unix.MOVE_MOUNT_T_EMPTY_PATH
	if err := unix.MoveMount(tree, "", int(target.Fd()), "", here); err != nil {
		return fmt.Errorf("bind %q on %q: %w", source.Name(), target.Name(), err)
	}
	return nil
}

// openSource opens what is kept. A directory that is missing, or that is empty where the
// fresh root's is not, is made first: only one that a rule names is asked for without
// being there.
func openSource(root, instance *os.File, name string) (*os.File, error) {
	source, err := open(instance, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil {
		if !isDir(source) || hasContent(instance, name) || !hasContent(root, name) {
			return source, nil
		}
		source.Close()
	}
	if err := begin(root, instance, name); err != nil {
		return nil, err
	}
	return open(instance, name)
}

// openTarget opens the place on the fresh root. Where there is none, it becomes of the
// kind that the source is.
func openTarget(root, instance *os.File, name string, source *os.File) (*os.File, error) {
	target, err := open(root, name)
	// Also a link that is there in its place is an error: what it leads to is not ours.
	if !errors.Is(err, fs.ErrNotExist) {
		return target, err
	}
	if isDir(source) {
		dir, err := makeDirs(root, instance, name)
		if err != nil {
			return nil, err
		}
		dir.Close()
	} else if err := touch(root, instance, name); err != nil {
		return nil, err
	}
	return open(root, name)
}

// touch makes an empty file to mount on.
func touch(root, instance *os.File, name string) error {
	dir, err := makeDirs(root, instance, path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	const flags = unix.O_CREAT | unix.O_EXCL | unix.O_WRONLY | unix.O_CLOEXEC
	fd, err := unix.Openat(int(dir.Fd()), path.Base(name), flags, 0o600)
	if err != nil {
		return fmt.Errorf("create %q: %w", path.Join(root.Name(), name), err)
	}
	return unix.Close(fd)
}
