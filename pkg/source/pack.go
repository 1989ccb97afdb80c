package source

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/source/tree"
)

// maxDepth bounds the directories that are open at once.
const maxDepth = 500

// Pack writes a directory as a tar in the pax format, with owners, extended attributes
// and hard links, as Unpack reads it. The same tree gives the same bytes: names are
// sorted, and access times are left out. So are sockets, which tar does not know, and
// what Unpack leaves out. Holes become zeros, of which Unpack makes holes again.
//
// It needs root, to read everything and all attributes.
func Pack(ctx context.Context, w io.Writer, dir *os.File) error {
	top, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", dir.Fd()))
	if err != nil {
		return fmt.Errorf("pack %q: %w", dir.Name(), err)
	}
	defer top.Close()
	p := packer{ctx: ctx, tar: tar.NewWriter(w), links: map[fileID]string{}}
	err = p.directory(top, ".", 0)
	if err == nil {
		err = p.tar.Close()
	}
	if err != nil {
		return fmt.Errorf("pack %q: %w", dir.Name(), err)
	}
	return nil
}

// packer writes a tree into a tar.
type packer struct {
	ctx   context.Context
	tar   *tar.Writer
	links map[fileID]string // the first names of files that have several
}

// fileID tells two inodes apart.
type fileID struct{ dev, ino uint64 }

// directory packs a directory and all that is in it.
func (p *packer) directory(dir *os.File, name string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%q: nested deeper than %d directories", name, maxDepth)
	}
	if err := p.write(dir, name, ""); err != nil {
		return err
	}
	if slices.Contains(tree.MountPoints[:], name) {
		return nil
	}
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("read directory %q: %w", name, err)
	}
	slices.Sort(names)
	for _, base := range names {
		if err := p.entry(dir, base, path.Join(name, base), depth); err != nil {
			return err
		}
	}
	return nil
}

// entry packs what dir has under a name.
func (p *packer) entry(dir *os.File, base, name string, depth int) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	f, err := openEntry(dir, base)
	if err != nil {
		return fmt.Errorf("open %q: %w", name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return p.directory(f, name, depth+1)
	case info.Mode()&os.ModeSocket != 0:
		return nil
	case info.Mode()&os.ModeSymlink != 0:
		return p.symlink(f, name)
	}
	return p.write(f, name, "")
}

// openEntry opens directories and regular files for reading, and refers to the rest.
func openEntry(dir *os.File, base string) (*os.File, error) {
	const flags = unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(int(dir.Fd()), base, unix.O_PATH|flags, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), base)
	info, err := f.Stat()
	if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
		return f, err
	}
	defer f.Close()
	path := procPath(f)
	fd, err = unix.Open(path, unix.O_RDONLY|unix.O_NOATIME|unix.O_CLOEXEC, 0)
	if err == unix.EPERM { // access times of others' files are theirs to keep
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), base), nil
}

// procPath leads to the inode itself, also to one that is only referred to.
func procPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// symlink packs a symbolic link, which is only referred to: read by name, it could be
// another one by now.
func (p *packer) symlink(f *os.File, name string) error {
	var buf [unix.PathMax]byte
	n, err := unix.Readlinkat(int(f.Fd()), "", buf[:])
	if err != nil {
		return fmt.Errorf("read link %q: %w", name, err)
	}
	return p.write(f, name, string(buf[:n]))
}

// write packs one inode. target is that of a symbolic link.
func (p *packer) write(f *os.File, name, target string) error {
	var st unix.Stat_t
	err := unix.Fstat(int(f.Fd()), &st)
	if err != nil {
		return fmt.Errorf("stat %q: %w", name, err)
	}
	h := header(&st, name, target)
	if first := p.first(&st, name); first != "" {
		h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
	} else if h.PAXRecords, err = xattrRecords(procPath(f)); err != nil {
		return fmt.Errorf("xattrs of %q: %w", name, err)
	}
	if err := p.tar.WriteHeader(h); err != nil {
		return err
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	if err := copyContext(p.ctx, p.tar, f, st.Size); err != nil {
		return fmt.Errorf("read %q: %w", name, err)
	}
	return nil
}

// first returns the name under which the inode was packed before, or "".
func (p *packer) first(st *unix.Stat_t, name string) string {
	if st.Nlink == 1 || st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return ""
	}
	id := fileID{uint64(st.Dev), st.Ino}
	first := p.links[id]
	if first == "" {
		p.links[id] = name
	}
	return first
}

var typeFlags = map[uint32]byte{
	unix.S_IFREG: tar.TypeReg, unix.S_IFDIR: tar.TypeDir, unix.S_IFLNK: tar.TypeSymlink,
	unix.S_IFIFO: tar.TypeFifo, unix.S_IFCHR: tar.TypeChar, unix.S_IFBLK: tar.TypeBlock,
}

// header describes an inode. Owners have no names: those of this machine mean nothing in the
// tree.
func header(st *unix.Stat_t, name, target string) *tar.Header {
	h := &tar.Header{
		Format: tar.FormatPAX, Typeflag: typeFlags[st.Mode&unix.S_IFMT],
		Name: name, Linkname: target, Mode: int64(st.Mode & 0o7777),
		Uid: int(st.Uid), Gid: int(st.Gid), ModTime: time.Unix(st.Mtim.Unix()),
	}
	switch h.Typeflag {
	case tar.TypeReg:
		h.Size = st.Size
	case tar.TypeDir:
		h.Name += "/"
	case tar.TypeChar, tar.TypeBlock:
		h.Devmajor, h.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	}
	return h
}

// xattrPrefix is that of the pax records of extended attributes, as star, GNU tar,
// libarchive and container engines have it. GNU tar quotes = and % in names.
const xattrPrefix = "SCHILY.xattr."

var quoteXattr = strings.NewReplacer("%", "%25", "=", "%3D")

// xattrRecords returns the extended attributes of a file.
func xattrRecords(path string) (map[string]string, error) {
	buf := make([]byte, 64<<10) // the kernel's limit, for the list and for each value
	n, err := unix.Listxattr(path, buf)
	if err == unix.EOPNOTSUPP || err == nil && n == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	records := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		n, err := unix.Getxattr(path, name, buf)
		if errors.Is(err, unix.ENODATA) {
			continue // removed since it was listed
		}
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		records[xattrPrefix+quoteXattr.Replace(name)] = string(buf[:n])
	}
	return records, nil
}

// copyContext copies exactly size bytes, and stops when ctx is done. A file that has
// become longer is copied as long as it was.
func copyContext(ctx context.Context, w io.Writer, r io.Reader, size int64) error {
	buf := make([]byte, min(size, 128<<10))
	for size > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(r, buf[:min(size, int64(len(buf)))])
		if err != nil {
			return err
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
		size -= int64(n)
	}
	return nil
}
