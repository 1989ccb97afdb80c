package tree

import (
	"errors"
	"fmt"
	"path"

	"golang.org/x/sys/unix"
)

// find opens the directory of a cleaned name. ENOENT says that there is none.
func (b *Builder) find(name string) (place, error) {
	if b.last.fd >= 0 && b.last.name == name {
		return b.last, nil
	}
	p := place{name: name}
	var err error
	p.fd, err = openInRoot(b.root, name, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return p, fmt.Errorf("open directory %q: %w", short(name), err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(p.fd, &st); err != nil {
		unix.Close(p.fd)
		return p, fmt.Errorf("stat directory %q: %w", short(name), err)
	}
	p.id = idOf(&st)
	b.forget()
	b.last = p
	return p, nil
}

// openInRoot opens a name as if the directory were the root of everything: links that lead
// up or begin with / lead to what is below it. Links of /proc are not followed at all.
func openInRoot(root int, name string, flags uint64) (int, error) {
	how := unix.OpenHow{
		Flags:   flags | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	return unix.Openat2(root, name, &how)
}

// reach opens the directory of a cleaned name, and makes those on the way to it that
// are missing. The archive says nothing of them: they are root's, and old.
func (b *Builder) reach(name string) (place, error) {
	p, err := b.find(name)
	if !errors.Is(err, unix.ENOENT) || name == "." {
		return p, err
	}
	parent, err := b.reach(path.Dir(name))
	if err != nil {
		return p, err
	}
	if err := b.mkdir(parent, path.Base(name), &Attributes{Mode: 0o755}); err != nil {
		if err == unix.EEXIST { // and yet it cannot be found
			err = errors.New("a link to nothing is in the way")
		}
		return p, fmt.Errorf("make directory %q: %w", short(name), err)
	}
	return b.find(name)
}

// mkdir makes a directory that will have the attributes.
func (b *Builder) mkdir(parent place, base string, a *Attributes) error {
	if err := unix.Mkdirat(parent.fd, base, 0o700); err != nil {
		return err
	}
	d := &directory{parent: b.dirs[parent.id], base: base}
	if d.parent == nil {
		return unix.ENOTEMPTY // the directory was full when we began
	}
	if err := b.register(d, parent.fd, base); err != nil {
		return err
	}
	b.Dirs++
	b.mark(parent, base)
	return b.promise(d, a)
}

// promise notes which attributes a directory will have.
func (b *Builder) promise(d *directory, a *Attributes) error {
	b.attrs += a.size() - d.attrs.size()
	if b.attrs > maxAttrs {
		return fmt.Errorf("the attributes of directories take more than %d MiB", maxAttrs>>20)
	}
	d.attrs = a
	return nil
}

// size is how much memory the attributes take, about.
func (a *Attributes) size() int {
	if a == nil {
		return 0
	}
	n := 64
	for name, value := range a.Xattrs {
		n += 64 + len(name) + len(value)
	}
	return n
}

// mark notes that the present layer has made a name.
func (b *Builder) mark(parent place, base string) {
	if b.made != nil {
		b.made[slot{parent.id, base}] = struct{}{}
	}
}
