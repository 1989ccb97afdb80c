package apply

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/acl"
	"github.com/freshroot/freshroot/pkg/tmpfiles"
)

// The extended attributes that hold access control lists.
const (
	accessACL  = "system.posix_acl_access"
	defaultACL = "system.posix_acl_default"
)

// acls are the lists of a line.
type acls struct {
	access acl.List
	// conditional is added to access. Its x is meant only where it makes sense.
	conditional acl.List
	inherited   acl.List // the default list of directories
	merge       bool     // add to what there is
}

// aclChange returns what a line does to an inode: nothing if it cannot be
// understood, or names somebody whom nobody knows. That is no failure.
func (a *applier) aclChange(l *tmpfiles.Line) change {
	lists, err := a.parseACLs(l)
	if err != nil {
		if !a.opts.Graceful {
			a.notice("set access control list of", l.Path, err)
		}
		return func(node, string) error { return nil } // but its paths are looked at
	}
	return func(n node, path string) error { return a.setACLs(lists, n, path) }
}

// parseACLs sorts the rules of a line into lists. Where a line sets lists as a whole,
// their masks are known before any inode is.
func (a *applier) parseACLs(l *tmpfiles.Line) (lists acls, err error) {
	rules, err := acl.Parse(l.Argument)
	if err != nil {
		return acls{}, err
	}
	for _, rule := range rules {
		if rule.Name != "" {
			lookup := a.opts.Group
			if rule.Tag == acl.User {
				lookup = a.opts.User
			}
			if lookup == nil {
				return acls{}, fs.ErrNotExist
			}
			if rule.ID, err = lookup(rule.Name); err != nil {
				return acls{}, err
			}
		}
		list := &lists.access
		switch {
		case rule.Default:
			list = &lists.inherited
		case rule.IfExecutable:
			list = &lists.conditional
		}
		*list = append(*list, rule.Entry)
	}
	// What is added to has a mask of its own, or gets one when it is known.
	if lists.merge = l.Append; !lists.merge {
		lists.access, lists.inherited = lists.access.WithMask(), lists.inherited.WithMask()
	}
	return lists, nil
}

// setACLs sets the lists of an inode. Where the file system has none, nothing happens.
func (a *applier) setACLs(lists acls, n node, path string) error {
	if err := a.hardLinked(n); err != nil {
		return a.fail("set access control list of", path, err)
	}
	if n.isLink() {
		return nil
	}
	// The default list second: setting the other one may change the mode, which fills
	// in what the default list lacks.
	err := a.setAccess(lists, n, path)
	if err == nil && len(lists.inherited) > 0 && n.isDir() {
		err = a.setACL(defaultACL, lists.inherited, lists.merge, n, path)
	}
	if err != nil && !unsupported(err) {
		return a.fail("set access control list of", path, err)
	}
	return nil
}

// setAccess sets the list that says who may access an inode, where the line has one.
func (a *applier) setAccess(lists acls, n node, path string) error {
	list := lists.access
	if len(lists.conditional) > 0 {
		executable, err := lists.executable(n)
		if err != nil {
			return err
		}
		for _, e := range lists.conditional {
			if !executable {
				e.Perm &^= acl.Execute
			}
			// The line's own list is for the next inode, too.
			list = append(list[:len(list):len(list)], e)
		}
		if !lists.merge {
			list = list.WithMask()
		}
	}
	if len(list) == 0 {
		return nil
	}
	return a.setACL(accessACL, list, lists.merge, n, path)
}

// executable says whether a capital X means x: for directories, and for files that
// somebody may execute already or after this.
func (lists acls) executable(n node) (bool, error) {
	if n.isDir() {
		return true, nil
	}
	have, err := readACL(accessACL, n)
	if err != nil {
		return false, err
	}
	// The mask grants nothing by itself.
	tags := acl.UserObj | acl.GroupObj | acl.Other
	if lists.merge { // else these will be gone
		tags |= acl.User | acl.Group
	}
	const all = ^acl.Tag(0)
	return have.Executable(tags) || lists.access.Executable(all), nil
}

// setACL sets one list, with the entries that every list must have.
func (a *applier) setACL(name string, list acl.List, merge bool, n node, path string) error {
	// Another list may have changed the mode.
	if err := unix.Fstat(n.fd, &n.st); err != nil {
		return err
	}
	if merge {
		have, err := readACL(name, n)
		if err != nil {
			return err
		}
		list = have.Merge(list).WithMask()
	}
	list = list.WithBase(n.st.Mode)
	if a.would("set %s of %s", name, a.name(path)) {
		return nil
	}
	return unix.Setxattr(n.procfs(), name, list.Encode(), 0)
}

// readACL returns the list of an inode; without one, the mode says who may access it.
func readACL(name string, n node) (acl.List, error) {
	buf := make([]byte, 64<<10) // the most that the kernel stores
	size, err := unix.Getxattr(n.procfs(), name, buf)
	if errors.Is(err, unix.ENODATA) {
		if name == defaultACL {
			return nil, nil
		}
		return acl.FromMode(n.st.Mode), nil
	}
	if err != nil {
		return nil, err
	}
	return acl.Decode(buf[:size])
}
