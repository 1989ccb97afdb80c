package guest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// node is a file of the busybox guest's factory.
type node struct {
	path     string
	mode     uint32 // with the type bits; a regular file has none
	uid, gid int
	content  string // or the target of a symbolic link
	linkTo   string // makes it a hard link to that path
	dev      uint64
	xattr    string   // the value of user.guest
	command  []string // run with the path appended, for what Go has no call for
}

// The users and groups of the factory: not root's, and not the same number.
const (
	uidAda, gidAda     = 1000, 1001
	uidDaemon, gidMail = 2, 8
)

// factory has at least one of each kind of file, and of each property, that a copy
// must keep. A parent comes before its children.
var factory = []node{
	{path: "etc", mode: unix.S_IFDIR | 0o755},
	{path: "etc/passwd", mode: 0o644, content: passwd},
	{path: "etc/group", mode: 0o644, content: "root:x:0:\nmail:x:8:\nada:x:1001:\n"},
	{path: "etc/shadow", mode: 0o640, gid: gidMail, content: "root:*:::::::\n"},
	{path: "etc/os-release", mode: unix.S_IFLNK, content: "../usr/lib/os-release"},
	{path: "etc/dangling", mode: unix.S_IFLNK, content: "/nowhere/at all"},
	{path: "etc/linked", mode: 0o600, uid: uidAda, gid: gidAda, content: "one inode\n"},
	{path: "etc/linked-too", linkTo: "etc/linked"},
	{path: "etc/acl", mode: 0o640, content: "acl\n",
		command: []string{"setfacl", "-m", "u:1000:rw,g:8:r"}},
	{path: "etc/acl.d", mode: unix.S_IFDIR | 0o750,
		command: []string{"setfacl", "-d", "-m", "u:1000:rwx"}},
	{path: "etc/xattr", mode: 0o644, content: "xattr\n", xattr: "bytes\x00\xff"},
	{path: "etc/empty", mode: 0o444},
	{path: "etc/empty.d", mode: unix.S_IFDIR | 0o700, uid: uidAda, gid: gidAda},
	{path: "etc/name with space, \u00e4 and \xff", mode: 0o644, content: "name\n"},

	{path: "var", mode: unix.S_IFDIR | 0o755},
	{path: "var/lib", mode: unix.S_IFDIR | 0o755},
	{path: "var/lib/setuid", mode: unix.S_ISUID | 0o755, uid: uidDaemon},
	{path: "var/lib/setgid", mode: unix.S_ISGID | 0o755, gid: gidMail},
	{path: "var/lib/capable", mode: 0o755, content: "#!/bin/sh\n",
		command: []string{"setcap", "cap_net_raw+ep"}},
	{path: "var/lib/fifo", mode: unix.S_IFIFO | 0o620, uid: uidDaemon},
	{path: "var/lib/null", mode: unix.S_IFCHR | 0o666, dev: unix.Mkdev(1, 3)},
	{path: "var/lib/sparse", mode: 0o644, command: []string{"truncate", "-s", "64M"}},
	{path: "var/mail", mode: unix.S_IFDIR | unix.S_ISGID | 0o775, gid: gidMail},
	{path: "var/run", mode: unix.S_IFLNK, content: "/run"},
	{path: "var/tmp", mode: unix.S_IFDIR | unix.S_ISVTX | 0o777},
}

// passwd has root, a system user and an ordinary one.
const passwd = `root:x:0:0::/root:/bin/sh
daemon:x:2:2::/:/bin/false
ada:x:1000:1001:Ada:/home/ada:/bin/sh
`

// makeFactory makes the nodes below dir.
func makeFactory(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, n := range factory {
		if err := n.make(ctx, dir); err != nil {
			return fmt.Errorf("make factory file %q: %w", n.path, err)
		}
	}
	return nil
}

// make creates the node and gives it what it shall have. The mode comes after the
// owner, as chown takes setuid away, and what a command adds comes last.
func (n node) make(ctx context.Context, dir string) error {
	path := filepath.Join(dir, n.path)
	if n.linkTo != "" {
		return os.Link(filepath.Join(dir, n.linkTo), path)
	}
	if err := n.create(path); err != nil {
		return err
	}
	if err := os.Lchown(path, n.uid, n.gid); err != nil {
		return err
	}
	if n.mode&unix.S_IFMT == unix.S_IFLNK {
		return nil // has no mode of its own
	}
	if err := unix.Chmod(path, n.mode&0o7777); err != nil {
		return err
	}
	if n.xattr != "" {
		if err := unix.Setxattr(path, "user.guest", []byte(n.xattr), 0); err != nil {
			return err
		}
	}
	if n.command != nil {
		return run(ctx, n.command[0], append(n.command[1:], path)...)
	}
	return nil
}

// create makes the inode, of the right type and content.
func (n node) create(path string) error {
	switch n.mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return os.Mkdir(path, 0o755)
	case unix.S_IFLNK:
		return os.Symlink(n.content, path)
	case 0:
		return os.WriteFile(path, []byte(n.content), 0o600)
	}
	return unix.Mknod(path, n.mode, int(n.dev))
}
