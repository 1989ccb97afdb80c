package zoo

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// Inode is all that can be seen of an inode, but its number.
type Inode struct {
	Kind, Mode   string
	UID, GID     uint32
	Rdev         uint64
	Size         int64
	Blocks       int64 // of regular files
	Atime, Mtime string
	Target       string
	Xattrs       map[string]string
	SameAs       string // the first name of the same inode
	SHA256       string
}

// Snapshot walks the tree below dir. It writes no access times.
func Snapshot(t testing.TB, dir string) map[string]Inode {
	t.Helper()
	tree := map[string]Inode{}
	first := map[fileID]string{}
	must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name := strings.TrimPrefix(path, dir+"/")
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		n, err := look(path, &st)
		if err != nil {
			return fmt.Errorf("%q: %w", path, err)
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR && st.Nlink > 1 {
			if _, ok := first[idOf(&st)]; !ok {
				first[idOf(&st)] = name
			}
			n.SameAs = first[idOf(&st)]
		}
		tree[name] = n
		return nil
	}))
	return tree
}

func look(path string, st *unix.Stat_t) (Inode, error) {
	n := Inode{
		Kind: kindOf(st.Mode), Mode: fmt.Sprintf("%o", st.Mode), UID: st.Uid, GID: st.Gid, Rdev: st.Rdev,
		Atime: stamp(st.Atim), Mtime: stamp(st.Mtim),
	}
	var err error
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		n.Size, n.Blocks = st.Size, st.Blocks
		n.SHA256, err = digest(path)
	case unix.S_IFLNK:
		n.Target, err = os.Readlink(path)
	}
	if err != nil {
		return n, err
	}
	n.Xattrs, err = xattrsOf(path)
	return n, err
}

func stamp(ts unix.Timespec) string {
	return time.Unix(ts.Unix()).UTC().Format(time.RFC3339Nano)
}

func digest(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOATIME, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return fmt.Sprintf("%x", h.Sum(nil)), err
}

func xattrsOf(path string) (map[string]string, error) {
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, buf)
	if err != nil || n == 0 {
		return nil, err
	}
	found := map[string]string{}
	names := strings.TrimSuffix(string(buf[:n]), "\x00")
	for name := range strings.SplitSeq(names, "\x00") {
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return nil, err
		}
		found[name] = string(value[:n])
	}
	return found, nil
}

// Equal compares two trees as Snapshot saw them.
func Equal(t testing.TB, want, got map[string]Inode) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("trees differ (-want +got):\n%.4000s", diff)
	}
}

// WithoutBlocks forgets the allocation, which differs between file systems.
func WithoutBlocks(tree map[string]Inode) map[string]Inode {
	for name, n := range tree {
		n.Blocks = 0
		tree[name] = n
	}
	return tree
}

// fileID tells two inodes apart.
type fileID struct{ dev, ino uint64 }

func idOf(st *unix.Stat_t) fileID { return fileID{uint64(st.Dev), st.Ino} }

func kindOf(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "regular file"
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFLNK:
		return "symlink"
	case unix.S_IFIFO:
		return "FIFO"
	case unix.S_IFSOCK:
		return "socket"
	case unix.S_IFCHR:
		return "character device"
	}
	return "block device"
}
