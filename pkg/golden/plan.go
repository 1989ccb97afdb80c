package golden

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/freshroot/freshroot/pkg/golden/rules"
)

// Action is what a build does to a file.
type Action string

// The actions.
const (
	Drop  Action = "drop"  // it is not in the factory
	Edit  Action = "edit"  // the factory has it with another content
	Write Action = "write" // it is made in the tree
)

// Change is one thing in which the result differs from a mere copy.
type Change struct {
	Action Action `json:"action"`
	Path   string `json:"path"` // of the tree
	Why    string `json:"why"`
}

// Plan is what a build does besides copying.
type Plan struct {
	Changes []Change `json:"changes"`
	// Dropped counts the bytes that are not in the factory.
	Dropped int64 `json:"dropped_bytes"`

	gone  map[string]bool // what Changes drops
	edits []content       // in the factory
	files []content       // in the tree
}

// content is a file to be written.
type content struct{ path, text string }

// Prepare looks at a tree and says what Build would do. It changes nothing: all that is
// decided is decided here, so that what it says is what Build does.
func Prepare(root *os.Root, opts Options) (*Plan, error) {
	if err := check(root); err != nil {
		return nil, err
	}
	set, err := opts.rules()
	if err != nil {
		return nil, err
	}
	p := &Plan{gone: map[string]bool{}}
	if err := p.findDrops(root, set); err != nil {
		return nil, err
	}
	if err := p.editAccounts(root, opts); err != nil {
		return nil, err
	}
	if err := p.emptyMachineID(root); err != nil {
		return nil, err
	}
	return p, p.configure(root)
}

// rules are those that the options ask for.
func (o Options) rules() (*rules.Set, error) {
	table := rules.Machine
	if o.DropPackages {
		table = slices.Concat(table, rules.Packages)
	}
	return rules.New(table, o.Exclude, o.Include)
}

// check refuses what is not the tree of a usr-merged system. Of any other, the factory
// would be complete and the image still not boot.
func check(root *os.Root) error {
	for _, name := range []string{"usr", "etc", "var"} {
		info, err := root.Lstat(name)
		if err != nil {
			return fmt.Errorf("look for an installed system: %w", err)
		}
		if !info.IsDir() {
			return fmt.Errorf("look for an installed system: /%s is no directory", name)
		}
	}
	if dirs := Unmerged(root.FS()); len(dirs) > 0 {
		return fmt.Errorf("look for a usr-merged system: /%s is a directory beside /usr,"+
			" and not a link into it; on Debian the package usrmerge makes it one", dirs[0])
	}
	return nil
}

// Unmerged returns the directories at the top of a tree that a usr-merged one has as
// links into /usr. That they do not exist is no fault: the init makes the links.
func Unmerged(fsys fs.FS) (dirs []string) {
	for _, name := range []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"} {
		if info, err := fs.Lstat(fsys, name); err == nil && info.IsDir() {
			dirs = append(dirs, name)
		}
	}
	return dirs
}

// findDrops looks in the tree and in the factory that it has already, from which an
// earlier build with other options may have kept more.
func (p *Plan) findDrops(root *os.Root, set *rules.Set) error {
	w := walk{set: set, plan: p, root: root}
	if err := w.both(); err != nil {
		return err
	}
	old, err := root.OpenRoot(factoryDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("open the factory that exists: %w", err)
	}
	defer old.Close()
	w.root = old
	return w.both()
}

// walk goes through a tree and notes what the rules drop. It follows no links.
type walk struct {
	set  *rules.Set
	plan *Plan
	root *os.Root
}

func (w walk) both() error {
	return errors.Join(w.dir("etc", nil), w.dir("var", nil))
}

// dir looks at what is in a directory. A rule that dropped it, if something below is
// to be kept, drops the rest.
func (w walk) dir(dir string, inherited *rules.Rule) error {
	entries, err := readDir(w.root, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if w.set.Keeps(name) {
			continue
		}
		rule := w.set.Find(name, e.Type())
		if rule == nil {
			rule = inherited
		}
		if err := w.entry(name, e, rule); err != nil {
			return err
		}
	}
	return nil
}

// entry drops an entry that a rule drops, or looks into it. What the tree and the factory
// that it has already both have is noted once.
func (w walk) entry(name string, e fs.DirEntry, rule *rules.Rule) error {
	if e.IsDir() && (rule == nil || w.set.KeepsBelow(name)) {
		return w.dir(name, rule)
	}
	if rule == nil || w.plan.gone[name] {
		return nil
	}
	if info, err := w.root.Lstat(name); err == nil && info.Mode().IsRegular() {
		w.plan.Dropped += info.Size()
	}
	w.plan.gone[name] = true
	w.plan.Changes = append(w.plan.Changes, Change{Drop, name, rule.Why})
	return nil
}

// readDir lists a directory in the order of the names. An fs.FS would refuse names that
// are not UTF-8, which a tree may have.
func readDir(root *os.Root, dir string) ([]fs.DirEntry, error) {
	d, err := root.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	if err != nil {
		return nil, fmt.Errorf("read directory %q: %w", dir, err)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int {
		return strings.Compare(a.Name(), b.Name())
	})
	return entries, nil
}

// dropped says that a path, or a directory above it, is dropped.
func (p *Plan) dropped(name string) bool {
	for ; name != "."; name = path.Dir(name) {
		if p.gone[name] {
			return true
		}
	}
	return false
}

// edit notes a new content of a file of the factory.
func (p *Plan) edit(name, text, why string) {
	p.edits = append(p.edits, content{name, text})
	p.Changes = append(p.Changes, Change{Edit, name, why})
}

// editAccounts drops people, and locks the passwords of the others. The change of each
// file says what was done in it.
func (p *Plan) editAccounts(root *os.Root, opts Options) error {
	a, err := readAccounts(root)
	if err != nil {
		return err
	}
	whys := map[string][]string{}
	do := func(what string, edit func() (names []string)) {
		before := a.texts()
		names := edit()
		for _, t := range a.tables() {
			if old := before[t.path]; t.text() != old {
				whys[t.path] = append(whys[t.path], what+unique(mentioned(old, names)))
			}
		}
	}
	if !opts.KeepUsers {
		do("the users and groups of people are dropped: ", a.dropOrdinary)
	}
	if !opts.KeepPasswords {
		do("passwords are locked: ", a.lockPasswords)
	}
	for _, t := range a.tables() {
		if why := whys[t.path]; why != nil && !p.dropped(t.path) {
			p.edit(t.path, t.text(), strings.Join(why, "; "))
		}
	}
	return nil
}

// mentioned returns those of the names that a file of accounts has in some field.
func mentioned(text string, names []string) []string {
	fields := set(strings.FieldsFunc(text, func(r rune) bool {
		return r == ':' || r == ',' || r == '\n'
	}))
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !fields[name] })
}

// unique lists names from a disk, each once.
func unique(names []string) string {
	slices.Sort(names)
	return fmt.Sprintf("%q", slices.Compact(names))
}

// emptyMachineID leaves an empty file: with none, systemd takes a boot for the first
// one, and enables units by their presets.
func (p *Plan) emptyMachineID(root *os.Root) error {
	const name = "etc/machine-id"
	info, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.edit(name, "", "an empty one, so that systemd takes no boot for the first")
	case err != nil:
		return fmt.Errorf("look at %q: %w", name, err)
	case info.Mode().IsRegular() && info.Size() > 0 && !p.dropped(name):
		p.edit(name, "", "emptied: each machine has its own")
	}
	return nil
}
