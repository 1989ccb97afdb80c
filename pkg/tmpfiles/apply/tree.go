package apply

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Bounds of a walk: an absolute path has no more components than maxDepth in any tree
// that is meant to be used, and the kernel itself follows 40 links.
const (
	maxDepth = 500
	maxLinks = 32
)

// pathFlags open whatever there is without doing anything to it.
const pathFlags = unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC

// errAutofs marks a path that would have to be mounted first. Its lines are passed over.
var errAutofs = errors.New("below an automount point")

// errNotNormal is what systemd says of paths with ".." in them.
var errNotNormal = fmt.Errorf("path not normalized: %w", unix.EINVAL)

// inode tells two inodes apart.
type inode struct{ dev, ino uint64 }

// node is an open inode, O_PATH, as it was found. It goes on to be that inode, whatever
// becomes of its name.
type node struct {
	fd int
	st unix.Stat_t
}

func (n node) close()         { unix.Close(n.fd) }
func (n node) id() inode      { return inode{uint64(n.st.Dev), n.st.Ino} }
func (n node) isDir() bool    { return n.st.Mode&unix.S_IFMT == unix.S_IFDIR }
func (n node) isLink() bool   { return n.st.Mode&unix.S_IFMT == unix.S_IFLNK }
func (n node) kind() uint32   { return n.st.Mode & unix.S_IFMT }
func (n node) procfs() string { return procPath(n.fd) }

// level is a directory of a walk.
type level struct {
	name string
	node
}

// tree resolves paths beneath a root, a component at a time: the links and directories
// in it are anybody's. The directories of the last path stay open, since most lines lie
// beside their predecessors.
type tree struct {
	root node
	// plain are the directories from below the root down that were reached by their
	// own names, detour those behind a symbolic link. The latter are closed by the
	// next walk: a link may lead elsewhere by then.
	plain  []level
	detour []node
}

// route is how a path is walked.
type route struct {
	safe bool // refuse to go from what a user owns to what somebody else does
	make bool // make the directories that are missing, for root with mode 0755
	// inherit leaves these the set-group-ID bit that they have from the one above.
	inherit bool
}

// newTree opens the root anew: the caller's descriptor may stand in the middle of it.
func newTree(dir int) (*tree, error) {
	fd, err := unix.Openat(dir, ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	t := &tree{root: node{fd: fd}}
	if err := unix.Fstat(fd, &t.root.st); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return t, nil
}

// close closes the root, too.
func (t *tree) close() {
	t.forget()
	t.root.close()
}

// forget closes all but the root: something was removed or replaced.
func (t *tree) forget() {
	t.leave(0)
	for _, n := range t.detour {
		n.close()
	}
	t.detour = t.detour[:0]
}

// changed looks again at a directory whose owner changed.
func (t *tree) changed(id inode) {
	for i := range t.plain {
		if n := &t.plain[i].node; n.id() == id {
			_ = unix.Fstat(n.fd, &n.st) // else it stays as it was known
		}
	}
	if t.root.id() == id {
		_ = unix.Fstat(t.root.fd, &t.root.st)
	}
}

// leave goes up to a depth.
func (t *tree) leave(depth int) {
	for _, l := range t.plain[depth:] {
		l.close()
	}
	t.plain = t.plain[:depth]
}

// here is the directory that the walk has come to.
func (t *tree) here() node {
	if len(t.plain) == 0 {
		return t.root
	}
	return t.plain[len(t.plain)-1].node
}

// untrusted tells a step that only its owner vouches for: whoever owns a directory may
// put there what he likes, but not lead us to what he does not own.
func untrusted(from, to node) bool {
	return from.st.Uid != 0 && from.st.Uid != to.st.Uid
}

// unsafeError says where such a step is.
func unsafeError(name string, from, to node) error {
	return fmt.Errorf("unsafe path transition at %q, from owner %d to owner %d: %w",
		name, from.st.Uid, to.st.Uid, unix.ENOLINK)
}

// dir opens what a path leads to, symbolic links followed. The node is the tree's own,
// until the next walk.
func (t *tree) dir(path string, r route) (node, error) {
	todo, err := t.reuse(path, r)
	// Only plain names go into what is kept open: ".." and what links lead to depend
	// on more than the path.
	for todo != "" && err == nil {
		name, rest := component(todo)
		switch {
		case name == "" || name == ".":
			todo = rest
			continue
		case name == "..":
			return t.chaseRest(todo, r)
		}
		var child node
		child, err = t.step(t.here(), name, r)
		switch {
		case err != nil:
			return node{}, err
		case child.isLink():
			child.close()
			return t.chaseRest(todo, r)
		case len(t.plain) == maxDepth:
			child.close()
			return node{}, unix.ENAMETOOLONG
		}
		t.plain = append(t.plain, level{strings.Clone(name), child})
		todo = rest
	}
	return t.here(), err
}

// component cuts the first name off a path.
func component(path string) (name, rest string) {
	name, rest, _ = strings.Cut(strings.TrimLeft(path, "/"), "/")
	return name, rest
}

// reuse goes up to where the path leaves the last one, and returns the rest of it.
func (t *tree) reuse(path string, r route) (rest string, err error) {
	for _, n := range t.detour {
		n.close()
	}
	t.detour = t.detour[:0]
	from := t.root
	for i, l := range t.plain {
		name, after := component(path)
		if name != l.name {
			t.leave(i)
			break
		}
		if r.safe && untrusted(from, l.node) {
			return "", unsafeError(name, from, l.node)
		}
		from, path = l.node, after
	}
	return path, nil
}

// step opens, and perhaps makes, an entry of a directory.
func (t *tree) step(from node, name string, r route) (node, error) {
	child, err := look(from.fd, name)
	if err == unix.ENOENT && r.make {
		// systemd makes it first and refuses then: it would stay.
		if r.safe && from.st.Uid != 0 && from.st.Uid != uint32(unix.Geteuid()) {
			return node{}, fmt.Errorf("make directory %q where user %d may change it: %w",
				name, from.st.Uid, unix.ENOLINK)
		}
		child, err = makeParent(from.fd, name, r.inherit)
	}
	if err != nil {
		return node{}, err
	}
	switch {
	case r.safe && untrusted(from, child):
		err = unsafeError(name, from, child)
	case child.st.Dev != from.st.Dev && isAutofs(child):
		err = errAutofs
	}
	if err != nil {
		child.close()
	}
	return child, err
}

// makeParent makes a directory that is missing on the way.
func makeParent(dir int, name string, inherit bool) (node, error) {
	made := unix.Mkdirat(dir, name, 0o755)
	if made != nil && made != unix.EEXIST {
		return node{}, made
	}
	child, err := look(dir, name)
	if err == nil && made == nil && !inherit && child.st.Mode&0o7777 != 0o755 {
		if err = chmod(child.fd, 0o755); err != nil {
			child.close()
		}
	}
	return child, err
}

// look opens an entry of a directory, whatever it is.
func look(dir int, name string) (node, error) {
	fd, err := openat(dir, name, pathFlags, 0)
	if err != nil {
		return node{}, err
	}
	n := node{fd: fd}
	if err := unix.Fstat(fd, &n.st); err != nil {
		unix.Close(fd)
		return node{}, err
	}
	return n, nil
}

// isAutofs says whether a file system would be mounted if one went on from here. To
// look at the mount point itself does not do it.
func isAutofs(n node) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(n.fd, &st) == nil && int64(st.Type) == unix.AUTOFS_SUPER_MAGIC
}

// parent opens the directory that holds the last component of a path.
func (t *tree) parent(path string, r route) (dir node, base string, err error) {
	cut := strings.LastIndexByte(path, '/')
	base = path[cut+1:]
	switch {
	case base == "":
		return node{}, "", unix.EADDRNOTAVAIL
	case base == "..": // it must not be opened by that name
		return node{}, "", errNotNormal
	}
	dir, err = t.dir(path[:max(cut, 0)], r)
	return dir, base, err
}

// open opens what a path names itself, without following a link there. The node is the
// caller's to close.
func (t *tree) open(path string, r route) (node, error) {
	if path == "/" {
		return look(t.root.fd, ".")
	}
	dir, base, err := t.parent(path, r)
	if err != nil {
		return node{}, err
	}
	return t.step(dir, base, route{safe: r.safe})
}

// normal tells whether no component of a path is "..".
func normal(path string) bool {
	return !strings.Contains(path+"/", "/../")
}
