// Package tree builds a tree beneath a directory, from entries that nobody has checked.
//
// Whatever the entries say, nothing outside of the directory is touched. A name is
// relative and has no "..". The way to its last component is resolved as if the
// directory were the root of everything (openat2(2), RESOLVE_IN_ROOT), so that an
// absolute link such as var/run -> /run is what it will be on the running system. The
// last component is never followed. Where it exists, the later entry wins; a directory
// stays, and gets the attributes of the later one.
//
// Directories are root's alone until Finish gives them their attributes, for what is
// made in them changes their times, and would inherit their ACL.
//
// A device node is refused unless it is wanted, and what is below dev, proc, run and sys is left out: the
// kernel brings it. Of layers, each may take away what the ones below have made.
//
// It needs root and Linux 5.8. Nobody else may write to the directory meanwhile.
package tree

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// MountPoints are the directories at the top of a tree whose content is left out: on a
// running system, or in a chroot that is in use, they show the kernel's files.
var MountPoints = [...]string{"dev", "proc", "run", "sys"}

// Bounds of what is remembered, for archives that would take all memory.
const (
	maxDirs  = 1 << 20
	maxAttrs = 256 << 20 // bytes of attributes of directories
	maxMade  = 4 << 20   // entries of a layer
)

// Attributes are what an inode has beside its content.
type Attributes struct {
	UID, GID     uint32
	Mode         uint32 // permissions, set-id and sticky bits: 07777
	Atime, Mtime unix.Timespec
	Xattrs       map[string]string
}

// Stats counts what was made, also if something later took its place.
type Stats struct {
	Dirs, Files, Links, Others int
	Bytes                      int64 // sum of the sizes of Files
	LostXattrs                 int   // attributes that the target cannot store
}

// Builder builds one tree.
type Builder struct {
	Stats
	// Devices lets device nodes be made: whoever made the entries is trusted.
	Devices bool

	root  int
	dirs  map[fileID]*directory
	attrs int               // bytes of attributes in dirs
	made  map[slot]struct{} // by the present layer; nil in the first
	last  place             // the directory that was used last
	buf   []byte
}

// fileID tells two inodes apart.
type fileID struct{ dev, ino uint64 }

func idOf(st *unix.Stat_t) fileID { return fileID{uint64(st.Dev), st.Ino} }

// directory is a directory of the tree, with the attributes that it will get.
type directory struct {
	parent *directory // nil at the top
	base   string
	attrs  *Attributes // nil: it keeps those it has
	// given says that the directory was there before. It may be a subvolume, and stays.
	given bool
}

// slot is a name in a directory.
type slot struct {
	dir  fileID
	base string
}

// place is an open directory. Its name is what the archive called it.
type place struct {
	name string
	fd   int
	id   fileID
}

// New begins a tree in a directory that is empty, but for directories that are.
func New(dir *os.File) (*Builder, error) {
	fd, err := unix.Openat(int(dir.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", dir.Name(), err)
	}
	b := &Builder{
		root: fd, dirs: map[fileID]*directory{}, last: place{fd: -1}, buf: make([]byte, bufSize),
	}
	if err := b.adopt(); err != nil {
		b.Close()
		return nil, fmt.Errorf("look into %q: %w", dir.Name(), err)
	}
	return b, nil
}

// adopt registers the directories that exist.
func (b *Builder) adopt() error {
	top := &directory{}
	if err := b.register(top, b.root, "."); err != nil {
		return err
	}
	entries, err := os.ReadDir(procPath(b.root, "."))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			return fmt.Errorf("%q: %w", e.Name(), syscall.ENOTEMPTY)
		}
		d := &directory{parent: top, base: e.Name(), given: true}
		if err := b.register(d, b.root, d.base); err != nil {
			return err
		}
	}
	return nil
}

// register remembers a directory.
func (b *Builder) register(d *directory, at int, base string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(at, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	if len(b.dirs) >= maxDirs {
		return fmt.Errorf("more than %d directories", maxDirs)
	}
	b.dirs[idOf(&st)] = d
	return nil
}

// Close ends the work on the tree. Without Finish before it, it is not complete.
func (b *Builder) Close() {
	b.forget()
	unix.Close(b.root)
}

// forget closes the directory that was used last.
func (b *Builder) forget() {
	if b.last.fd >= 0 && b.last.fd != b.root {
		unix.Close(b.last.fd)
	}
	b.last = place{fd: -1}
}

// Clean returns a name of an archive in its shortest form, "." for the top. It refuses
// names that do not say a place in the tree.
func Clean(name string) (string, error) {
	switch {
	case name == "":
		return "", fmt.Errorf("a name is empty")
	case strings.HasPrefix(name, "/"):
		return "", fmt.Errorf("name %q is absolute: pack the tree with relative names", short(name))
	case slices.Contains(strings.Split(name, "/"), ".."):
		return "", fmt.Errorf("name %q has a \"..\", which could lead out of the tree", short(name))
	case strings.Contains(name, "\x00"):
		return "", fmt.Errorf("name %q has a zero byte", short(name))
	}
	return path.Clean(name), nil
}

// short is a name for people, of whom none reads a million bytes.
func short(name string) string {
	const most = 256
	if len(name) <= most {
		return name
	}
	return name[:most/2] + "..." + name[len(name)-most/2:]
}

// leftOut says whether a cleaned name is below one of the MountPoints.
func leftOut(name string) bool {
	top, _, below := strings.Cut(name, "/")
	return below && slices.Contains(MountPoints[:], top)
}

// procPath leads to what a directory has under a name.
func procPath(at int, base string) string { return fmt.Sprintf("/proc/self/fd/%d/%s", at, base) }
