package esp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// SpaceError says that a partition is too full for a plan. Nothing was changed.
type SpaceError struct{ Need, Free int64 } // bytes

// Error says what to do as well.
func (e *SpaceError) Error() string {
	return fmt.Sprintf("%d bytes are needed and %d are free: "+
		"delete versions from the pool, or other files from the partition", e.Need, e.Free)
}

// Cluster returns the unit in which the partition that is mounted at an open directory gives
// space to files, in bytes.
func Cluster(dir *os.File) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &st); err != nil {
		return 0, fmt.Errorf("look at space of %s: %w", dir.Name(), err)
	}
	return int64(st.Bsize), nil
}

// Apply does what is planned for the partition that is mounted at an open directory.
// The error is a *SpaceError if it does not fit.
func (p Plan) Apply(ctx context.Context, dir *os.File) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &st); err != nil {
		return fmt.Errorf("look at space of %s: %w", dir.Name(), err)
	}
	if free := int64(st.Bavail) * int64(st.Bsize); p.Bytes > free {
		return fmt.Errorf("%s: %w", dir.Name(), &SpaceError{p.Bytes, free})
	}
	// The directory itself, whatever has its name by now.
	root, err := os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", dir.Fd()))
	if err != nil {
		return err
	}
	defer root.Close()
	for _, op := range p.Ops {
		// Between two operations the partition is as good as after a power cut.
		if err := ctx.Err(); err != nil {
			return err
		}
		if p.Progress != nil {
			p.Progress(op)
		}
		if err := op.apply(ctx, root); err != nil {
			return fmt.Errorf("%s %s: %w", op.Do, op.Path, err)
		}
	}
	return nil
}

func (o Op) apply(ctx context.Context, root *os.Root) error {
	switch o.Do {
	case Write:
		return o.write(ctx, root)
	case Move:
		return o.move(root)
	}
	return o.remove(root)
}

// move renames a file. That somebody else did so, such as systemd-bless-boot, is well.
func (o Op) move(root *os.Root) error {
	err := root.Rename(o.Path, o.To)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = root.Lstat(o.To)
	}
	if err != nil {
		return err
	}
	return syncDirs(root, o.To)
}

// remove removes a file, and its directory if it was the last one of a version, or the menu.
func (o Op) remove(root *os.Root) error {
	if err := root.Remove(o.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := path.Dir(o.Path)
	ours := func(p string) bool { return strings.HasPrefix(p, dir+"/") || isMenu(o.Path) && p != "." }
	for ; ours(parent); parent = path.Dir(parent) {
		if root.Remove(parent) != nil {
			break // there is something else in it
		}
	}
	return syncDirs(root, path.Join(parent, "x"))
}

// write writes the file under another name, and gives it its own when it is whole.
func (o Op) write(ctx context.Context, root *os.Root) error {
	f := o.File
	if o.Sign != nil {
		signed, err := o.Sign.sign(ctx, f)
		if err != nil {
			return err
		}
		defer signed.remove()
		f = signed.file
	}
	for _, file := range []string{temporary, o.Path} {
		if err := root.MkdirAll(path.Dir(file), 0o755); err != nil {
			return err
		}
	}
	if err := fill(ctx, root, f); err != nil {
		return errors.Join(err, root.Remove(temporary))
	}
	if err := root.Rename(temporary, o.Path); err != nil {
		return errors.Join(err, root.Remove(temporary))
	}
	// On a FAT, a name that went and one that came are two changes.
	return errors.Join(syncDirs(root, o.Path), syncDirs(root, temporary))
}

// fill writes and syncs the temporary file.
func fill(ctx context.Context, root *os.Root, f File) error {
	dst, err := root.Create(temporary)
	if err != nil {
		return err
	}
	defer dst.Close()
	if err := f.copyTo(ctx, dst); err != nil {
		return err
	}
	if err := dst.Sync(); err != nil {
		return err
	}
	return dst.Close()
}

// copyTo writes the whole content, as long as it was said to be: the space was checked
// for that, and a file that changes meanwhile is not what was decided on.
func (f File) copyTo(ctx context.Context, w io.Writer) error {
	src, err := f.Open()
	if err != nil {
		return err
	}
	defer src.Close()
	n, err := io.Copy(w, &interruptible{ctx, src})
	if err == nil && n != f.Size {
		err = fmt.Errorf("it has %d bytes, not %d as it had before", n, f.Size)
	}
	return err
}

// interruptible is a reader that ends with a context.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}

// syncDirs makes the names on the way to a file safe: a new directory is one of them.
func syncDirs(root *os.Root, file string) error {
	for dir := path.Dir(file); ; dir = path.Dir(dir) {
		f, err := root.Open(dir)
		if err != nil {
			return err
		}
		err = errors.Join(f.Sync(), f.Close())
		if err != nil || dir == "." {
			return err
		}
	}
}
