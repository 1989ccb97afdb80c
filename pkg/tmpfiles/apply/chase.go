package apply

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// chaseRest goes the rest of a path that has a symbolic link or ".." in it. It keeps the
// directories above open and goes up by these: a directory that is moved out of the
// root meanwhile does not take it along.
func (t *tree) chaseRest(todo string, r route) (node, error) {
	c := chase{tree: t, route: r, stack: []node{t.root}, todo: todo, written: len(todo)}
	for _, l := range t.plain {
		c.stack = append(c.stack, l.node)
	}
	for c.todo != "" {
		if err := c.step(); err != nil {
			return node{}, err
		}
	}
	return c.here(), nil
}

// chase is a walk past links.
type chase struct {
	*tree
	route
	stack   []node // from the root to where we are
	todo    string
	written int // what of todo the line says itself; only that is made
	links   int // that were followed
}

// here is where the walk has come to.
func (c *chase) here() node { return c.stack[len(c.stack)-1] }

// step goes on by one name.
func (c *chase) step() error {
	// A link to something missing has nothing made there: mkdir(2) would not either.
	own := len(c.todo) <= c.written
	var name string
	name, c.todo = component(c.todo)
	switch name {
	case "", ".":
		return nil
	case "..":
		return c.up()
	}
	child, err := c.tree.step(c.here(), name, route{c.safe, c.make && own, c.inherit})
	if err != nil {
		return err
	}
	if c.detour = append(c.detour, child); len(c.detour) > maxDepth {
		return unix.ELOOP
	}
	if child.isLink() {
		return c.follow(child)
	}
	c.stack = append(c.stack, child)
	return nil
}

// planted says whether a link may be a trap: it is in a directory that anyone may write
// to, and neither that one's owner nor we made it. The kernel does not follow it either
// (fs.protected_symlinks), but systemd does where the link is a relative one.
func planted(dir, link node) bool {
	uid := link.st.Uid
	return dir.st.Mode&0o002 != 0 && uid != dir.st.Uid && uid != uint32(unix.Geteuid())
}

// up goes to the directory above, which for the root is the root.
func (c *chase) up() error {
	from := c.here()
	if len(c.stack) > 1 {
		c.stack = c.stack[:len(c.stack)-1]
	}
	if c.safe && untrusted(from, c.here()) {
		return unsafeError("..", from, c.here())
	}
	return nil
}

// follow puts what a link says before what is left to do.
func (c *chase) follow(link node) error {
	if c.links++; c.links > maxLinks {
		return unix.ELOOP
	}
	if planted(c.here(), link) {
		return fmt.Errorf("link of user %d where anyone may put one: %w",
			link.st.Uid, unix.EACCES)
	}
	target, err := readlink(link.fd)
	if err != nil {
		return err
	}
	if target[0] == '/' {
		// From the root on, which is ours and not the machine's.
		c.stack = c.stack[:1]
	}
	if c.safe && target[0] == '/' && untrusted(link, c.here()) {
		return unsafeError("/", link, c.here())
	}
	c.todo = target + "/" + c.todo
	c.written = min(c.written, len(c.todo)-len(target))
	return nil
}

// readlink reads a link that is open; it is never empty.
func readlink(fd int) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	switch {
	case err != nil:
		return "", err
	case n == 0:
		return "", unix.EINVAL
	case n == len(buf):
		return "", unix.ENAMETOOLONG
	}
	return string(buf[:n]), nil
}
