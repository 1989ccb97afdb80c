// Package manifest tells what there is to know of each file in a directory, so that trees
// can be compared by code that knows nothing of freshroot. It is for tests; its program
// runs in virtual machines that have no other tools.
//
// It follows no symbolic link, needs root to see all attributes, and leaves out what
// the tests' guests change themselves: files named "marker", and the time of the
// directories that they leave one in.
package manifest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// marker is the name of the file that guests leave in these directories, and in others
// that a factory does not have.
const marker = "marker"

var marked = []string{"etc", "var", "var/lib"}

// File is one name of a tree.
type File struct {
	Path string
	// Same is the first of the names of the inode, if that is not this one; then there
	// is nothing more to say.
	Same  string
	About string // type and mode, owner, content, attributes
	Time  string // of the last change, in seconds; "" where guests change it
}

// String is the file on one line.
func (f File) String() string {
	if f.Same != "" {
		return fmt.Sprintf("%q is %q", f.Path, f.Same)
	}
	return strings.TrimSuffix(fmt.Sprintf("%q %s %s", f.Path, f.About, f.Time), " ")
}

// inode is a file of one of several file systems, or subvolumes.
type inode struct{ dev, ino uint64 }

// Walk calls do for each file below a directory and for that itself, in lexical order,
// with paths that begin with it. do may return fs.SkipDir.
func Walk(root string, do func(File) error) error {
	first := map[inode]string{}
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() == marker {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return fmt.Errorf("stat %q: %w", path, err)
		}
		id := inode{st.Dev, st.Ino}
		if other := first[id]; other != "" && !d.IsDir() {
			return do(File{Path: path, Same: other})
		}
		first[id] = path
		f := File{Path: path}
		if !slices.Contains(marked, path) {
			f.Time = fmt.Sprintf("%d.%09d", st.Mtim.Sec, st.Mtim.Nsec)
		}
		if f.About, err = describe(path, &st); err != nil {
			return err
		}
		return do(f)
	})
}

// describe returns what is the same on any file system.
func describe(path string, st *unix.Stat_t) (string, error) {
	about := []string{fmt.Sprintf("%o %d:%d", st.Mode, st.Uid, st.Gid)}
	content, err := describeContent(path, st)
	if err != nil {
		return "", err
	}
	xattrs, err := describeXattrs(path)
	return strings.Join(slices.Concat(about, content, xattrs), " "), err
}

// describeContent says what a file holds. A file that takes less than half of its size
// has holes.
func describeContent(path string, st *unix.Stat_t) ([]string, error) {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		target, err := os.Readlink(path)
		return []string{fmt.Sprintf("-> %q", target)}, err
	case unix.S_IFCHR, unix.S_IFBLK:
		return []string{fmt.Sprintf("%d,%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))}, nil
	case unix.S_IFREG:
		sum, err := digest(path)
		words := []string{fmt.Sprintf("%d bytes, %.6x", st.Size, sum)}
		if st.Blocks*512 < st.Size/2 {
			words = append(words, "sparse")
		}
		return words, err
	}
	return nil, nil
}

// digest is a checksum of what is not zero, and of where it is: to hash a large hole
// takes long where the CPU is emulated.
func digest(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := sha256.New()
	var block, zero [64 << 10]byte
	for at := 0; ; at += len(block) {
		n, err := io.ReadFull(f, block[:])
		if !bytes.Equal(block[:n], zero[:n]) {
			fmt.Fprintf(sum, "%d:%s", at, block[:n])
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return sum.Sum(nil), nil
		} else if err != nil {
			return nil, err
		}
	}
}

// describeXattrs lists the extended attributes, which is where ACLs and capabilities
// are, too.
func describeXattrs(path string) ([]string, error) {
	// More than the kernel allows for a file's list of names, or for one value.
	names, value := make([]byte, 64<<10), make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, names)
	if err == unix.ENOTSUP {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("list attributes of %q: %w", path, err)
	}
	var words []string
	for name := range bytes.SplitSeq(bytes.TrimSuffix(names[:n], []byte{0}), []byte{0}) {
		if len(name) == 0 {
			continue
		}
		n, err := unix.Lgetxattr(path, string(name), value)
		if err != nil {
			return nil, fmt.Errorf("read attribute %s of %q: %w", name, path, err)
		}
		words = append(words, fmt.Sprintf("%s=%q", name, value[:n]))
	}
	slices.Sort(words)
	return words, nil
}
