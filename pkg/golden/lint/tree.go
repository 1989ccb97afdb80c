package lint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/freshroot/freshroot/pkg/account"
	"github.com/freshroot/freshroot/pkg/golden/rules"
	"github.com/freshroot/freshroot/pkg/golden/shipped"
	"github.com/freshroot/freshroot/pkg/tmpfiles"
)

// factoryDir is where the factory is in the tree.
const factoryDir = "usr/share/factory"

// tree is what the checks look at.
type tree struct {
	fsys     fs.FS
	factory  []file   // all that the factory has, by its paths on the booted system
	usr      []file   // what is remarkable in /usr: see remarkable
	unseen   []string // whose names are not UTF-8, which no fs.FS shows
	owners   owners
	tmpfiles []tmpfiles.Line // also those that a factory build wrote
	sysusers []shipped.Sysuser
	broken   []shipped.Problem        // lines of both
	made     map[string]tmpfiles.Line // paths that tmpfiles.d makes
	accounts *account.Database        // of the factory
	rules    *rules.Set               // of what belongs to one machine
}

// file is an entry of the tree.
type file struct {
	path     string
	mode     fs.FileMode
	uid, gid uint32
	target   string // of a symbolic link
}

// owners have the first path that each user and group owns.
type owners struct{ users, groups map[uint32]string }

// load goes through the tree once; the checks share what it finds.
func load(fsys fs.FS) (*tree, error) {
	t := &tree{
		fsys:   fsys,
		owners: owners{map[uint32]string{}, map[uint32]string{}},
	}
	var err error
	if t.rules, err = rules.New(rules.Machine, nil, nil); err != nil {
		return nil, err
	}
	if err := t.readLines(); err != nil {
		return nil, err
	}
	t.accounts = account.Parse(t.text("etc/passwd"), t.text("etc/group"))
	return t, t.walk("usr")
}

// readLines reads the configuration of the tree.
func (t *tree) readLines() (err error) {
	var more []shipped.Problem
	if t.tmpfiles, t.broken, err = shipped.Tmpfiles(t.fsys); err != nil {
		return err
	}
	if t.sysusers, more, err = shipped.Sysusers(t.fsys); err != nil {
		return err
	}
	t.broken = append(t.broken, more...)
	t.made = map[string]tmpfiles.Line{}
	for _, l := range t.tmpfiles {
		name := strings.TrimPrefix(l.Path, "/")
		if _, twice := t.made[name]; !twice && (l.Directory() || l.Is("CLfpcb")) {
			t.made[name] = l
		}
	}
	return nil
}

// text reads a file of the factory, or returns nil.
func (t *tree) text(name string) []byte {
	text, err := fs.ReadFile(t.fsys, path.Join(factoryDir, name))
	if err != nil {
		return nil // the checks say what is missing
	}
	return text
}

// walk goes through a directory. It takes the entries one directory at a time, so that
// only what is remarkable stays in memory.
func (t *tree) walk(dir string) error {
	entries, err := fs.ReadDir(t.fsys, dir)
	if errors.Is(err, fs.ErrNotExist) && dir == "usr" {
		return nil
	} else if err != nil {
		return fmt.Errorf("look at tree: %w", err)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if !fs.ValidPath(name) {
			t.unseen = append(t.unseen, name)
			continue
		}
		if err := t.add(name); err != nil {
			return err
		}
		if e.IsDir() {
			if err := t.walk(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// add notes an entry: its owners, and itself if it may matter.
func (t *tree) add(name string) error {
	info, err := fs.Lstat(t.fsys, name)
	if err != nil {
		return fmt.Errorf("look at tree: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("look at tree: owner of %q: %w", name, fs.ErrInvalid)
	}
	f := file{path: name, mode: info.Mode(), uid: st.Uid, gid: st.Gid}
	if f.mode.Type() == fs.ModeSymlink {
		if f.target, err = fs.ReadLink(t.fsys, name); err != nil {
			return fmt.Errorf("look at tree: %w", err)
		}
	}
	t.owners.add(f)
	if own, ok := strings.CutPrefix(name, factoryDir+"/"); ok {
		f.path = own
		t.factory = append(t.factory, f)
	} else if remarkable(f) {
		t.usr = append(t.usr, f)
	}
	return nil
}

// add notes a file for its owners, unless they have one. The walk is in the order of the
// names, so that the same tree gives the same findings.
func (o owners) add(f file) {
	if _, ok := o.users[f.uid]; !ok {
		o.users[f.uid] = f.path
	}
	if _, ok := o.groups[f.gid]; !ok {
		o.groups[f.gid] = f.path
	}
}

// remarkable are links into /etc and /var, what all may write to, and what is neither
// a file nor a directory nor a link.
func remarkable(f file) bool {
	switch {
	case f.mode.Type() == fs.ModeSymlink:
		top, _, _ := strings.Cut(absolute(f), "/")
		return top == "etc" || top == "var"
	case f.mode.IsDir():
		return f.mode.Perm()&0o002 != 0 && f.mode&fs.ModeSticky == 0
	}
	return !f.mode.IsRegular() || f.mode.Perm()&0o002 != 0
}

// absolute is where a link leads to in one step, without the slash in front.
func absolute(f file) string {
	target := f.target
	if !path.IsAbs(target) {
		target = path.Join("/", path.Dir(f.path), target)
	}
	return strings.TrimPrefix(path.Clean(target), "/")
}

// head reads the beginning of a file of the factory.
func (t *tree) head(name string, most int64) ([]byte, error) {
	f, err := t.fsys.Open(path.Join(factoryDir, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// all is what the factory has, and what is remarkable in /usr.
func (t *tree) all() []file { return slices.Concat(t.factory, t.usr) }

// has says whether the tree has a file, following links in it.
func (t *tree) has(name string) bool {
	_, err := fs.Stat(t.fsys, name)
	return err == nil
}
