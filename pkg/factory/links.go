package factory

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// linkBook remembers the inodes of the factory that have more names, until the
// last one was met. Its lock is held while such a file is copied, so that two
// workers do not both take it for the first.
type linkBook struct {
	sync.Mutex
	groups map[fileID]*linkGroup
	size   int // memory in use, about
}

// maxLinkBook bounds the memory of a linkBook: some 10,000 inodes whose other
// names are still to come.
const (
	maxLinkBook   = 2 << 20
	linkGroupSize = 160 // a group and its place in the map, without the path
)

// linkGroup is one inode of the factory.
type linkGroup struct {
	left uint64 // names not met yet
	path string // of its copy, below the top; "" until there is one
	id   fileID // of its copy
}

// meet counts a name of the inode, and returns what is known of it: nil if
// there is no room to remember more.
func (b *linkBook) meet(st *unix.Stat_t) *linkGroup {
	id := idOf(st)
	g := b.groups[id]
	if g == nil {
		if b.size+linkGroupSize > maxLinkBook {
			return nil
		}
		g = &linkGroup{left: uint64(st.Nlink)}
		b.groups[id] = g
		b.size += linkGroupSize
	}
	if g.left--; g.left == 0 {
		delete(b.groups, id)
		b.size -= linkGroupSize + len(g.path)
	}
	return g
}

// record notes where the copy is. It returns false if there is no room for its
// path, so that the next name will be a copy again.
func (b *linkBook) record(g *linkGroup, path string, id fileID) bool {
	if g.left == 0 {
		return true // nobody will ask
	}
	if b.size+len(path)-len(g.path) > maxLinkBook {
		return false
	}
	b.size += len(path) - len(g.path)
	g.path, g.id = path, id
	return true
}

// linkOrCreate makes the first name of an inode a copy, the others links.
func (w *worker) linkOrCreate(l *leaf) error {
	w.links.Lock()
	defer w.links.Unlock()
	g := w.links.meet(&l.st)
	if g != nil && g.path != "" {
		done, err := w.link(l, g)
		if done || err != nil {
			return err
		}
	}
	id, err := w.create(l)
	if err != nil || id == (fileID{}) {
		return err
	}
	split := g == nil || g.path != ""
	if g != nil && !w.links.record(g, l.dir.path(l.name), id) {
		split = true
	}
	if split {
		w.SplitLinks++
	}
	return nil
}

// link makes l one more name of a copy. It returns false where that cannot be:
// another file system, too many names, or no longer that copy under its name.
func (w *worker) link(l *leaf, g *linkGroup) (bool, error) {
	fd, err := w.openCopy(g)
	if err == nil {
		defer closeFD(fd)
		err = unix.Linkat(fd, "", l.dir.dst, l.name, unix.AT_EMPTY_PATH)
	}
	switch {
	case err == nil:
		w.Links++
		return true, nil
	case err == unix.EEXIST:
		return true, w.leaveAlone(l.dir, l.name, l.st.Mode&unix.S_IFMT, errOccupied)
	case err == unix.EXDEV, err == unix.EMLINK, errors.Is(err, errReplaced):
		return false, nil
	}
	return false, fmt.Errorf("link: %w", err)
}

// openCopy opens the copy of an inode: a component at a time, because its path
// may be longer than PATH_MAX and must lead through no symbolic link.
func (c *copier) openCopy(g *linkGroup) (int, error) {
	at := c.root.dst
	for name := range strings.SplitSeq(g.path, "/") {
		fd, err := openat(at, name, pathFlags, 0)
		if at != c.root.dst {
			closeFD(at)
		}
		if err == unix.ENOENT || err == unix.ENOTDIR {
			return -1, errReplaced
		}
		if err != nil {
			return -1, err
		}
		at = fd
	}
	var st unix.Stat_t
	err := unix.Fstat(at, &st)
	if err == nil && idOf(&st) == g.id {
		return at, nil
	}
	closeFD(at)
	if err == nil {
		err = errReplaced
	}
	return -1, err
}
