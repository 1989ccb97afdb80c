package rootfs

import (
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxFile is the size up to which ReadFile reads a file: more than any configuration
// has, and little enough to have in memory.
const maxFile = 64 << 20

// tree is a directory as a file system of its own.
type tree struct{ root *os.File }

// FS returns the files beneath root for reading. Symbolic links, also absolute ones and
// those that lead up, are resolved as if root were the root of everything, so that
// nothing outside of it is ever opened. Files of more than 64 MiB are not read whole.
//
// The caller keeps root open while it uses the file system, which implements
// fs.ReadDirFS, fs.ReadFileFS, fs.StatFS and fs.ReadLinkFS. What it opens is an *os.File.
func FS(root *os.File) fs.FS { return tree{root} }

// Open opens a file for reading. A device or FIFO is not waited for.
func (t tree) Open(name string) (fs.File, error) {
	return t.open("open", name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
}

// ReadDir returns the entries of a directory, in the order of their names.
func (t tree) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := t.open("open", name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int {
		return strings.Compare(a.Name(), b.Name())
	})
	return entries, err
}

// ReadFile returns the content of a regular file.
func (t tree) ReadFile(name string) ([]byte, error) {
	f, err := t.open("open", name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch {
	case info.IsDir():
		return nil, &fs.PathError{Op: "read", Path: name, Err: unix.EISDIR}
	case info.Mode()&fs.ModeNamedPipe != 0:
		// Whoever has the other end may never write.
		return nil, &fs.PathError{Op: "read", Path: name, Err: unix.EINVAL}
	case info.Size() > maxFile:
		return nil, &fs.PathError{Op: "read", Path: name, Err: unix.EFBIG}
	}
	return readAll(f, name, int(info.Size()))
}

// readAll reads a file of about size bytes. What has no size, as in /proc, or grows, is
// read up to the limit.
func readAll(r io.Reader, name string, size int) ([]byte, error) {
	b := make([]byte, 0, size+512)
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case err == io.EOF:
			return b, nil
		case err != nil:
			return nil, err
		case len(b) > maxFile:
			return nil, &fs.PathError{Op: "read", Path: name, Err: unix.EFBIG}
		}
		b = slices.Grow(b, 512)
	}
}

// Stat describes the file that a name leads to.
func (t tree) Stat(name string) (fs.FileInfo, error) {
	f, err := t.open("stat", name, unix.O_PATH)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}

// Lstat describes a file, and does not follow a symbolic link at the end of its name.
func (t tree) Lstat(name string) (fs.FileInfo, error) {
	f, err := t.open("lstat", name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}

// ReadLink returns the target of a symbolic link.
func (t tree) ReadLink(name string) (string, error) {
	f, err := t.open("readlink", name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var target [unix.PathMax]byte
	n, err := unix.Readlinkat(int(f.Fd()), "", target[:])
	if err == unix.ENOENT {
		// What has no target is not a link; the kernel says it in another way here.
		err = unix.EINVAL
	}
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return string(target[:n]), nil
}

// open opens a name beneath the root.
func (t tree) open(op, name string, flags uint64) (*os.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT}
	fd, err := unix.Openat2(int(t.root.Fd()), name, &how)
	for err == unix.EAGAIN || err == unix.EINTR {
		// Something was renamed while the kernel looked: it asks to be asked again.
		fd, err = unix.Openat2(int(t.root.Fd()), name, &how)
	}
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: path.Join(t.root.Name(), name), Err: err}
	}
	return os.NewFile(uintptr(fd), path.Join(t.root.Name(), name)), nil
}

var (
	_ fs.ReadDirFS  = tree{}
	_ fs.ReadFileFS = tree{}
	_ fs.StatFS     = tree{}
	_ fs.ReadLinkFS = tree{}
)
