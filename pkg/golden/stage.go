package golden

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/factory"
)

// makeDir makes a directory with its parents, whatever the umask.
func makeDir(root *os.Root, name string) error {
	if _, err := root.Lstat(name); err == nil {
		return nil
	}
	if parent := path.Dir(name); parent != "." {
		if err := makeDir(root, parent); err != nil {
			return err
		}
	}
	if err := root.Mkdir(name, 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	return root.Chmod(name, 0o755)
}

// copyParts copies /etc and /var, in one go since hard links may join the two, and then
// what the factory of the tree has besides: a copy overwrites nothing.
func copyParts(staged, root *os.Root) (factory.Stats, error) {
	others := func(name string) bool { return name != "etc" && name != "var" }
	stats, err := copyDir(staged, root, ".", factory.Options{Skip: others})
	if err != nil {
		return stats, err
	}
	_, err = copyDir(staged, root, factoryDir, factory.Options{})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return stats, err
}

// copyDir copies what is in a directory of src.
func copyDir(
	dst, src *os.Root, name string, opts factory.Options,
) (stats factory.Stats, err error) {
	from, err := src.Open(name)
	if err != nil {
		return stats, err
	}
	defer from.Close()
	to, err := dst.Open(".")
	if err != nil {
		return stats, err
	}
	defer to.Close()
	return factory.Copy(to, from, opts)
}

// prune drops and edits what the plan says. To copy all and then drop costs little: on
// btrfs the copy shares its extents, and the caches of a package manager are the only
// things of any size that are dropped. The times of directories stay.
func (p *Plan) prune(staged *os.Root) error {
	for name := range p.gone {
		remove := func() error { return staged.RemoveAll(name) }
		if err := keepTimes(staged, path.Dir(name), remove); err != nil {
			return fmt.Errorf("drop %q: %w", name, err)
		}
	}
	for _, e := range p.edits {
		if err := rewrite(staged, e); err != nil {
			return fmt.Errorf("edit %q: %w", e.path, err)
		}
	}
	return nil
}

// rewrite replaces the content of a file, which keeps its attributes and its time, or
// makes it, with the time of its directory: the result depends on no clock.
func rewrite(staged *os.Root, e content) error {
	dir := path.Dir(e.path)
	info, err := staged.Lstat(e.path)
	isNew := errors.Is(err, fs.ErrNotExist)
	if isNew {
		info, err = staged.Lstat(dir)
	}
	if err != nil {
		return err
	}
	err = keepTimes(staged, dir, func() error {
		return staged.WriteFile(e.path, []byte(e.text), 0o444)
	})
	if err == nil && isNew {
		err = staged.Chmod(e.path, 0o444) // whatever the umask
	}
	if err != nil {
		return err
	}
	return staged.Chtimes(e.path, time.Time{}, info.ModTime())
}

// keepTimes does something in a directory whose time stays. One that does not exist went
// with a directory above it that is dropped, too.
func keepTimes(staged *os.Root, dir string, do func() error) error {
	info, err := staged.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return staged.Chtimes(dir, time.Time{}, info.ModTime())
}

// Clamp lets nothing below dir be younger than the epoch, if that is not zero. Older times
// stay: they say when the vendor's packages were made.
func Clamp(staged *os.Root, dir string, epoch time.Time) error {
	if epoch.IsZero() {
		return nil
	}
	d, err := staged.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	entries, err := readDir(staged, dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if err := clampEntry(staged, d, name, epoch); err != nil {
			return fmt.Errorf("set the time of %q: %w", name, err)
		}
		if e.IsDir() {
			if err := Clamp(staged, name, epoch); err != nil {
				return err
			}
		}
	}
	return nil
}

// clampEntry clamps one entry of an open directory. It does not follow links, which have
// times as well.
func clampEntry(staged *os.Root, dir *os.File, name string, epoch time.Time) error {
	info, err := staged.Lstat(name)
	if err != nil || !info.ModTime().After(epoch) {
		return err
	}
	stamp := unix.NsecToTimespec(epoch.UnixNano())
	times := []unix.Timespec{stamp, stamp}
	return unix.UtimesNanoAt(int(dir.Fd()), path.Base(name), times, unix.AT_SYMLINK_NOFOLLOW)
}

// commit puts the factory in place by one rename: whoever looks finds the old one or
// the new one, whole.
func commit(root *os.Root) error {
	dir, err := root.Open(path.Dir(factoryDir))
	if err != nil {
		return fmt.Errorf("put the factory in place: %w", err)
	}
	defer dir.Close()
	fd, from, to := int(dir.Fd()), path.Base(stagingDir), path.Base(factoryDir)
	// Two calls of which one succeeds, as no single one does both.
	err = unix.Renameat2(fd, from, fd, to, unix.RENAME_NOREPLACE)
	if err == unix.EEXIST {
		err = unix.Renameat2(fd, from, fd, to, unix.RENAME_EXCHANGE)
	}
	if err == nil {
		// It is the old factory now, if anything.
		err = root.RemoveAll(stagingDir)
	}
	if err != nil {
		return fmt.Errorf("put the factory in place: %w", err)
	}
	return nil
}

// writeFiles writes what is beside the factory. As the last step, it sets back the
// times of the directories that the build has changed.
func (p *Plan) writeFiles(root *os.Root, epoch time.Time) error {
	for _, f := range p.files {
		if err := replace(root, f, epoch); err != nil {
			return fmt.Errorf("write %q: %w", f.path, err)
		}
	}
	for _, name := range []string{
		"usr", "usr/lib", "usr/lib/tmpfiles.d", "usr/lib/sysusers.d", "usr/share",
		factoryDir,
	} {
		if err := clampDir(root, name, epoch); err != nil {
			return fmt.Errorf("set the time of %q: %w", name, err)
		}
	}
	return nil
}

// clampDir is Clamp for one directory, without what is in it.
func clampDir(root *os.Root, name string, epoch time.Time) error {
	info, err := root.Lstat(name)
	if err != nil || epoch.IsZero() || !info.ModTime().After(epoch) {
		return err
	}
	return root.Chtimes(name, epoch, epoch)
}

// replace puts a file in place by a rename, so that no half of it is ever read.
func replace(root *os.Root, f content, epoch time.Time) error {
	if err := makeDir(root, path.Dir(f.path)); err != nil {
		return err
	}
	tmp := f.path + ".new"
	err := root.WriteFile(tmp, []byte(f.text), 0o644)
	if err == nil {
		err = root.Chmod(tmp, 0o644)
	}
	if err == nil && !epoch.IsZero() {
		err = root.Chtimes(tmp, epoch, epoch)
	}
	if err == nil {
		err = root.Rename(tmp, f.path)
	}
	if err != nil {
		return errors.Join(err, root.RemoveAll(tmp))
	}
	return nil
}
