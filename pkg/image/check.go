package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/golden"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// Problem is something for which a source cannot become an image.
type Problem struct {
	What string `json:"what"` // is wrong
	Do   string `json:"do"`   // to mend it
}

// CheckError lists all that is wrong with a source.
type CheckError struct{ Problems []Problem }

// Error has a line for each problem, and below it what to do.
func (e *CheckError) Error() string {
	var b strings.Builder
	b.WriteString("the source cannot be booted:")
	for _, p := range e.Problems {
		fmt.Fprintf(&b, "\n  %s\n    %s", p.What, p.Do)
	}
	return b.String()
}

// check looks at what was unpacked, and at all of it, so that a person has to come back
// once only.
func (s *stage) check(context.Context) error {
	return s.find(unmerged, noConfiguration, noInit, s.noKernel, s.otherArch, s.highIDs)
}

// find looks for problems of some kinds.
func (s *stage) find(kinds ...func(fs.FS) (Problem, error)) error {
	tree := rootfs.FS(s.tree)
	var found []Problem
	for _, find := range kinds {
		p, err := find(tree)
		if err != nil {
			return err
		}
		if p != (Problem{}) {
			found = append(found, p)
		}
	}
	if len(found) > 0 {
		return &CheckError{found}
	}
	return nil
}

// unmerged wants all programs and libraries below /usr.
func unmerged(tree fs.FS) (Problem, error) {
	dirs := golden.Unmerged(tree)
	if len(dirs) == 0 {
		return Problem{}, nil
	}
	return Problem{
		fmt.Sprintf("it is not usr-merged: /%s should be links into /usr", strings.Join(dirs, ", /")),
		"on Debian and Ubuntu, install usrmerge; or move what they hold to /usr, and link them",
	}, nil
}

// noConfiguration wants an /etc, or the factory that was made of one.
func noConfiguration(tree fs.FS) (Problem, error) {
	for _, name := range []string{"etc", "usr/share/factory/etc"} {
		if info, err := fs.Lstat(tree, name); err == nil && info.IsDir() {
			return Problem{}, nil
		}
	}
	return Problem{
		"it has neither /etc nor a factory: usr/share/factory/etc",
		"name the root of an installed system, not its /usr",
	}, nil
}

// noInit wants what the initramfs starts. A shell is better than nothing in an emergency,
// but no reason to build an image.
func noInit(tree fs.FS) (Problem, error) {
	for _, name := range []string{
		"usr/lib/systemd/systemd", "usr/sbin/init", "usr/bin/init", "usr/lib/init/init",
	} {
		info, err := fs.Stat(tree, name)
		if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return Problem{}, nil
		}
	}
	return Problem{
		"it has no init: neither usr/lib/systemd/systemd nor usr/sbin/init",
		"install one, such as systemd-sysv or busybox; most container images have none",
	}, nil
}

// noKernel wants a kernel with modules, and remembers it.
func (s *stage) noKernel(tree fs.FS) (Problem, error) {
	list, err := releases(tree, modulesDir)
	if err != nil {
		return Problem{}, err
	}
	const do = "install one (linux-image-amd64 on Debian), " +
		"or name a directory that has one with --kernel-from"
	want := s.options.Kernel
	switch {
	case len(list) == 0:
		return Problem{"it has no kernel modules with an index: usr/lib/modules/*/modules.dep", do}, nil
	case want != "" && !slices.Contains(list, want):
		return Problem{
			fmt.Sprintf("it has no kernel %q", want),
			fmt.Sprintf("choose one that it has modules of: %q", list),
		}, nil
	case want != "":
		list = []string{want}
	}
	// A release without a kernel is passed over: often only its modules were left.
	for _, release := range list {
		if kernelPath(tree, release) != "" {
			s.filled.Kernel = release
			return Problem{}, nil
		}
	}
	return Problem{fmt.Sprintf("it has modules and no kernel: no boot/vmlinuz-%s", list[0]), do}, nil
}

// maxID is the highest user or group that a source may have.
const maxID = 65535

// highIDs finds files that were unpacked with the ids of a container, which would then
// belong to nobody. It looks where the image's files come from.
func (s *stage) highIDs(fs.FS) (Problem, error) {
	var first string
	count := 0
	look := func(name string, st *unix.Stat_t) {
		if st.Uid <= maxID && st.Gid <= maxID {
			return
		}
		if count++; first == "" {
			first = fmt.Sprintf("%q is of %d:%d", name, st.Uid, st.Gid)
		}
	}
	for _, top := range []string{"usr", "etc", "var"} {
		if err := s.walk(top, look); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Problem{}, err
		}
	}
	if count == 0 {
		return Problem{}, nil
	}
	return Problem{
		fmt.Sprintf("%d files have users or groups above %d: %s", count, maxID, first),
		"they are those of a container: make the source as root, or shift them back",
	}, nil
}

// walk shows everything below a directory of the tree.
func (s *stage) walk(dir string, look func(name string, st *unix.Stat_t)) error {
	f, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, base := range names {
		name := path.Join(dir, base)
		var st unix.Stat_t
		if err := unix.Fstatat(int(f.Fd()), base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return &fs.PathError{Op: "stat", Path: name, Err: err}
		}
		look(name, &st)
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			if err := s.walk(name, look); err != nil {
				return err
			}
		}
	}
	return nil
}
