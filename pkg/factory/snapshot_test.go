package factory

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

// node is all that can be seen of an inode, but its number.
type node struct {
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

// snapshot walks the tree below dir. It writes no access times.
func snapshot(t testing.TB, dir string) map[string]node {
	t.Helper()
	tree := map[string]node{}
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

func look(path string, st *unix.Stat_t) (node, error) {
	n := node{
		Kind: typeName(st.Mode), Mode: fmt.Sprintf("%o", st.Mode), UID: st.Uid, GID: st.Gid, Rdev: st.Rdev,
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

// equalTrees compares two trees as snapshot saw them.
func equalTrees(t testing.TB, want, got map[string]node) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("trees differ (-want +got):\n%.4000s", diff)
	}
}

// withoutBlocks forgets the allocation, which differs between file systems.
func withoutBlocks(tree map[string]node) map[string]node {
	for name, n := range tree {
		n.Blocks = 0
		tree[name] = n
	}
	return tree
}

// cpTree copies with the tool that is our oracle.
func cpTree(t testing.TB, dst, src string) {
	t.Helper()
	run(t, "cp", "-a", src+"/.", dst+"/")
}

// count tells what a copy of the tree should count.
func count(tree map[string]node) Stats {
	var s Stats
	for name, n := range tree {
		switch {
		case n.Kind == "directory":
			s.Dirs++
		case n.SameAs != "" && n.SameAs != name:
			s.Links++
		case n.SHA256 != "":
			s.Files++
			s.Bytes += n.Size
		default:
			s.Others++
		}
	}
	return s
}
