package mount

import (
	"errors"
	"fmt"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// handedOver are moved into the new root, since what runs there continues to use
// what was set up in them.
var handedOver = []string{"dev", "proc", "sys", "run"}

// Switch makes the mount at root the root of the file system, frees the RAM file
// system that was the root before, and executes init with the given arguments and
// environment. It returns only on failure: a *NoInitError if root has none of the
// inits, and before anything was moved.
//
// It refuses to free an old root that is not in RAM, or a root that is no mount.
func Switch(root string, inits, args, env []string) error {
	oldRoot, err := openRAM("/")
	if err != nil {
		return err
	}
	if err := checkMount(root); err != nil {
		return err
	}
	init, err := FindInit(root, inits)
	if err != nil {
		return err
	}
	if err := moveMounts(root); err != nil {
		return err
	}
	if err := enter(root); err != nil {
		return err
	}
	removeContent(oldRoot)
	err = unix.Exec(init, append([]string{init}, args...), env)
	return fmt.Errorf("execute %s: %w", init, err)
}

// openRAM opens a directory that must be on a tmpfs or ramfs.
func openRAM(dir string) (int, error) {
	fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", dir, err)
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return -1, fmt.Errorf("stat file system of %s: %w", dir, err)
	}
	if fs.Type != unix.RAMFS_MAGIC && fs.Type != unix.TMPFS_MAGIC {
		return -1, fmt.Errorf("switch root: %s is not in RAM (type %#x) and would be deleted", dir, fs.Type)
	}
	return fd, nil
}

func checkMount(dir string) error {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, dir, unix.AT_SYMLINK_NOFOLLOW, 0, &st)
	if err != nil {
		return fmt.Errorf("stat %s: %w", dir, err)
	}
	if st.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 {
		return fmt.Errorf("switch root: %s is not a mount point", dir)
	}
	return nil
}

// NoInitError says that none of the inits can be executed.
type NoInitError struct {
	Root  string
	Tried []error // in order: which, and why not
}

// Error returns the reasons.
func (e *NoInitError) Error() string {
	return fmt.Sprintf("find init in %s: %v", e.Root, errors.Join(e.Tried...))
}

// FindInit returns the first of the inits that is an executable file, all links
// resolved within root.
func FindInit(root string, inits []string) (string, error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("open %s: %w", root, err)
	}
	defer unix.Close(dir)
	failure := &NoInitError{Root: root}
	for _, init := range inits {
		err := checkExecutable(dir, init)
		if err == nil {
			return init, nil
		}
		failure.Tried = append(failure.Tried, fmt.Errorf("%s: %w", init, err))
	}
	return "", failure
}

func checkExecutable(root int, file string) error {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT}
	fd, err := unix.Openat2(root, file, &how)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Mode&0o111 == 0 {
		return errors.New("not an executable file")
	}
	return nil
}

func moveMounts(root string) error {
	for _, name := range handedOver {
		source, target := "/"+name, path.Join(root, name)
		if err := Dir(target); err != nil {
			return err
		}
		if err := unix.Mount(source, target, "", unix.MS_MOVE, ""); err != nil {
			return &Error{Op: "move", Source: source, Target: target, Err: err}
		}
	}
	return nil
}

// enter moves the mount at root over "/". pivot_root(2) does not work on the
// kernel's initial RAM file system.
func enter(root string) error {
	if err := unix.Chdir(root); err != nil {
		return fmt.Errorf("change to %s: %w", root, err)
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return &Error{Op: "move", Source: root, Target: "/", Err: err}
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("change root to %s: %w", root, err)
	}
	return os.Chdir("/")
}

// removeContent deletes what a directory holds, so that its RAM is freed. It stays
// on its file system, and leaves what it cannot delete: the boot goes on.
func removeContent(dir int) {
	var st unix.Stat_t
	if unix.Fstat(dir, &st) != nil {
		return
	}
	f := os.NewFile(uintptr(dir), "old root")
	defer f.Close()
	names, _ := f.Readdirnames(-1)
	for _, name := range names {
		if unix.Unlinkat(dir, name, 0) == nil {
			continue
		}
		removeDir(dir, name, st.Dev)
	}
}

func removeDir(parent int, name string, dev uint64) {
	fd, err := unix.Openat(parent, name, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Dev != dev {
		unix.Close(fd)
		return
	}
	removeContent(fd)
	unix.Unlinkat(parent, name, unix.AT_REMOVEDIR)
}
