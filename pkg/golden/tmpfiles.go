package golden

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"

	"github.com/freshroot/freshroot/pkg/account"
	"github.com/freshroot/freshroot/pkg/golden/shipped"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/tmpfiles"
)

// header begins both files.
const header = "# Written by freshroot factory build, for what no other line makes.\n"

// configure adds the lines for systemd's own tools. What an earlier build wrote does not
// count as the vendor's: it is written anew.
func (p *Plan) configure(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return fmt.Errorf("open tree: %w", err)
	}
	defer dir.Close()
	fsys := rootfs.FS(dir)
	a, err := p.accounts(root)
	if err != nil {
		return err
	}
	users, _, err := shipped.Sysusers(fsys)
	if err != nil {
		return err
	}
	files, _, err := shipped.Tmpfiles(fsys)
	if err != nil {
		return err
	}
	g := generator{plan: p, root: root, made: whatIsMade(files), accounts: a}
	for _, name := range []string{"etc", "var"} {
		if err := g.below(name); err != nil {
			return err
		}
	}
	numbers := sysusers(a, users)
	p.write(shipped.TmpfilesPath, g.text.String(), "lines that copy from the factory")
	p.write(shipped.SysusersPath, numbers, "users and groups with their numbers")
	return nil
}

// accounts are the users and groups of the factory: those of the tree, as they are
// after the edits.
func (p *Plan) accounts(root *os.Root) (*account.Database, error) {
	texts := map[string]string{}
	for _, name := range []string{"etc/passwd", "etc/group"} {
		t := table{path: name}
		if err := t.read(root); err != nil {
			return nil, err
		}
		texts[name] = t.text()
	}
	for _, e := range p.edits {
		texts[e.path] = e.text
	}
	return account.Parse([]byte(texts["etc/passwd"]), []byte(texts["etc/group"])), nil
}

// write notes a file to be made in the tree. One without lines is written as well: it
// replaces what an earlier build wrote.
func (p *Plan) write(name, lines, what string) {
	p.files = append(p.files, content{name, header + lines})
	why := fmt.Sprintf("%d %s", strings.Count(lines, "\n"), what)
	p.Changes = append(p.Changes, Change{Write, name, why})
}

// whatIsMade says which paths the vendor's lines make: true if whole, false if only a
// directory, whose content has to come from elsewhere. Lines that take a credential make
// nothing without one, and the parser leaves them out.
func whatIsMade(lines []tmpfiles.Line) map[string]bool {
	made := map[string]bool{}
	for _, l := range lines {
		name := strings.TrimPrefix(l.Path, "/")
		switch {
		case l.File == shipped.TmpfilesPath:
		case l.Is("CLfpcb"):
			made[name] = true
		case l.Directory() && !made[name]:
			made[name] = false
		}
	}
	return made
}

// generator makes lines of tmpfiles.d.
type generator struct {
	plan     *Plan
	root     *os.Root
	made     map[string]bool
	accounts *account.Database
	text     strings.Builder
}

// below adds the lines for what is in a directory. Where the vendor's lines make only
// the directory, what is in it needs lines of its own; where they make nothing, one line
// for all of it is enough, as C copies whole trees into what does not exist.
func (g *generator) below(dir string) error {
	entries, err := g.entries(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		whole, made := g.made[name]
		switch {
		case whole:
		case made && e.IsDir():
			err = g.below(name)
		case !made:
			err = g.entry(name, e)
		}
		if err != nil {
			return fmt.Errorf("make a line of tmpfiles.d for %q: %w", name, err)
		}
	}
	return nil
}

// entries are those of a directory that are in the factory, but for the machine's ID:
// it is PID 1 that makes it.
func (g *generator) entries(dir string) (kept []fs.DirEntry, err error) {
	entries, err := readDir(g.root, dir)
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if name != "etc/machine-id" && !g.plan.dropped(name) {
			kept = append(kept, e)
		}
	}
	return kept, err
}

// entry adds the line for what none makes. A link must not be copied: systemd-tmpfiles
// looks where it leads from the factory.
func (g *generator) entry(name string, e fs.DirEntry) error {
	switch e.Type() {
	case fs.ModeSymlink:
		target, err := g.root.Readlink(name)
		g.line("L", name, "- - - - "+escape(target))
		return err
	case fs.ModeDir:
		entries, err := g.entries(name)
		if err == nil && len(entries) == 0 {
			return g.directory(name)
		}
		g.line("C", name, "-")
		return err
	}
	g.line("C", name, "-")
	return nil
}

// directory adds the line for an empty directory. It says all about it, so that it is
// made right also where the factory is not there, and owners have their names, since
// their numbers are another system's to choose.
func (g *generator) directory(name string) error {
	info, err := g.root.Lstat(name)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("look for its owner: %w", fs.ErrInvalid)
	}
	user, group := strconv.Itoa(int(st.Uid)), strconv.Itoa(int(st.Gid))
	if u, ok := g.accounts.UserByID(st.Uid); ok {
		user = u.Name
	}
	if gr, ok := g.accounts.GroupByID(st.Gid); ok {
		group = gr.Name
	}
	mode := fmt.Sprintf("%04o", st.Mode&0o7777)
	g.line("d", name, strings.Join([]string{mode, escape(user), escape(group), "-"}, " "))
	return nil
}

func (g *generator) line(kind, name, rest string) {
	fmt.Fprintf(&g.text, "%s %s %s\n", kind, escape("/"+name), rest)
}

// escape writes a word so that neither the grammar nor the specifiers see anything in
// it, whatever bytes it has.
func escape(word string) string {
	const plain = "/._-+:,=@~^!?*[](){}<>|&;$#"
	var b strings.Builder
	for _, c := range []byte(word) {
		switch {
		case c == '%':
			b.WriteString("%%")
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			strings.IndexByte(plain, c) >= 0, c >= 0x80:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String()
}
