package apply_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/tmpfiles/apply"
)

// generator makes trees and lines that are about them. The same seed makes the same.
type generator struct {
	*rand.Rand
	paths []string // of the tree, all below /w
	// users says that directories may belong to users. What is made for root in these
	// differs, see docs/tmpfiles.md: no line makes more than one level then.
	users bool
}

func newGenerator(seed uint64) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, 257))}
}

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

// chance is true once in n times.
func (g *generator) chance(n int) bool { return g.IntN(n) == 0 }

func (g *generator) name() string {
	return pick(g, "a", "a", "b", "b", "c", "d", "e", ".h", "x y", "ü", "n\xff", "ab", "a.b")
}

// thing is an inode of the tree to be made.
type thing struct {
	path, text string
	kind       uint32
	mode       uint32
	uid, gid   int
	when       time.Time
	xattr, acl bool
}

// tree decides on a tree of up to n things.
func (g *generator) tree(n int) []thing {
	g.paths, g.users = []string{"/w"}, g.chance(2)
	dirs := []string{"/w"}
	var things []thing
	for range n {
		th := thing{path: filepath.Join(pick(g, dirs...), g.name()), kind: g.kind()}
		if contains(g.paths, th.path) {
			continue
		}
		g.furnish(&th)
		g.paths = append(g.paths, th.path)
		if th.kind == unix.S_IFDIR && strings.Count(th.path, "/") < 5 {
			dirs = append(dirs, th.path)
		}
		things = append(things, th)
	}
	return things
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func (g *generator) kind() uint32 {
	return pick(g, uint32(unix.S_IFDIR), unix.S_IFDIR, unix.S_IFDIR, unix.S_IFREG, unix.S_IFREG,
		unix.S_IFREG, unix.S_IFLNK, unix.S_IFIFO, unix.S_IFSOCK, unix.S_IFCHR, hardLink)
}

// hardLink is the kind of a further name of a file.
const hardLink = 1

// furnish decides on all but the path and the kind.
func (g *generator) furnish(th *thing) {
	th.mode = pick(g, uint32(0o644), 0o755, 0o600, 0o700, 0o777, 0o4755, 0o2750, 0o1777, 0o444, 0)
	th.when = time.Now().Add(-pick(g, 30*time.Minute, 2*time.Hour, 30*time.Hour, 900*time.Hour))
	th.xattr, th.acl = g.chance(8), g.chance(8)
	if g.chance(4) && (g.users || th.kind != unix.S_IFDIR) {
		th.uid = pick(g, 1000, 1001)
	}
	th.gid = pick(g, 0, 0, 0, 1000, 50)
	switch th.kind {
	case unix.S_IFREG:
		th.text = pick(g, "", "text", "longer text\n")
	case unix.S_IFLNK:
		// Of those that a user made, see docs/tmpfiles.md.
		th.uid = 0
		th.text = pick(g, "a", "b", "../a", "..", "/w/a", "/w/b/c", "/w", "missing", ".", "../../../x")
	case hardLink:
		th.text = pick(g, g.paths...)
	}
}

// make makes a tree.
func makeTree(t testing.TB, root string, things []thing) {
	t.Helper()
	for _, th := range things {
		path := filepath.Join(root, th.path)
		var err error
		switch th.kind {
		case unix.S_IFDIR:
			err = os.Mkdir(path, 0o755)
		case unix.S_IFREG:
			err = os.WriteFile(path, []byte(th.text), 0o644)
		case unix.S_IFLNK:
			err = os.Symlink(th.text, path)
		case hardLink:
			if unix.Link(filepath.Join(root, th.text), path) != nil {
				continue // of a directory there is none
			}
		default:
			err = unix.Mknod(path, th.kind|0o600, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		decorate(t, path, th)
	}
	// At last: what was made in a directory changed its time.
	for _, th := range things {
		stamp := unix.NsecToTimespec(th.when.UnixNano())
		path := filepath.Join(root, th.path)
		_ = unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{stamp, stamp}, unix.AT_SYMLINK_NOFOLLOW)
	}
}

// decorate sets owner, mode and attributes.
func decorate(t testing.TB, path string, th thing) {
	t.Helper()
	if th.kind == hardLink {
		return
	}
	if err := os.Lchown(path, th.uid, th.gid); err != nil {
		t.Fatal(err)
	}
	if th.kind == unix.S_IFLNK {
		return
	}
	if err := unix.Chmod(path, th.mode); err != nil {
		t.Fatal(err)
	}
	if th.kind != unix.S_IFREG && th.kind != unix.S_IFDIR {
		return
	}
	if th.xattr {
		if err := unix.Setxattr(path, "user.test", []byte("v"), 0); err != nil {
			t.Fatal(err)
		}
	}
	if th.acl {
		acl := "\x02\x00\x00\x00" + "\x01\x00\x07\x00\xff\xff\xff\xff" +
			"\x02\x00\x06\x00\xe9\x03\x00\x00" + "\x04\x00\x05\x00\xff\xff\xff\xff" +
			"\x10\x00\x07\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff"
		if err := unix.Setxattr(path, "system.posix_acl_access", []byte(acl), 0); err != nil {
			t.Fatal(err)
		}
	}
}

// path is one of the tree, or one near it.
func (g *generator) path() string {
	path := pick(g, g.paths...)
	deeper := pick(g, 0, 0, 0, 1, 1, 2)
	if g.users {
		deeper = min(deeper, 1)
	}
	for range deeper {
		path += "/" + g.name()
	}
	if path == "/w" {
		return "/w/" + g.name()
	}
	return path
}

// pattern is a path with wildcards in some of its components.
func (g *generator) pattern() string {
	path := g.path()
	if g.chance(2) {
		return path
	}
	words := strings.Split(path, "/")
	for i := 2; i < len(words); i++ {
		if g.chance(2) {
			words[i] = pick(g, "*", "?", "a*", "*b", "[a-c]", "[!a]", ".*", "{a,b}", "{a,b*,c}", "*.*",
				"[[:alpha:]]", `\a`, "{a,{b,c}}d", "[", "{", "a?b", "**")
		}
	}
	return strings.Join(words, "/")
}

// lines are up to n lines.
func (g *generator) lines(n int) string {
	var b strings.Builder
	for range 1 + g.IntN(n) {
		fmt.Fprintln(&b, g.line())
	}
	return b.String()
}

func (g *generator) line() string {
	letter := pick(g, strings.Split("f f f w d d d D e v q Q p L L c b C C x X r r R z z Z t T h H a a A F", " ")...)
	path := g.path()
	if strings.Contains("wexXrRzZtThHaAm", letter) {
		path = g.pattern()
	}
	owners := []string{"-", "-", "-", "root", "ada", ":ada", "bob", "0", "1001", ":1001"}
	return strings.Join([]string{
		letter + g.modifiers(letter), quote(path),
		pick(g, "-", "-", "0755", "0644", "0600", "~0777", ":0700", "~:0664", "1777", "2775", "4711", "0"),
		pick(g, owners...), strings.ReplaceAll(strings.ReplaceAll(pick(g, owners...), "ada", "staff"), "root", "0"),
		pick(g, "-", "-", "-", "m:1h", "aM:1h", "mM:1d", "~m:1h", "1d", "m:0", "mAM:10d"),
		g.argument(letter, path),
	}, " ")
}

func (g *generator) modifiers(letter string) (m string) {
	if g.chance(3) && strings.Contains("fwpLcbCaA", letter) {
		m += "+"
	}
	if g.chance(8) {
		m += "!"
	}
	if g.chance(8) {
		m += "-"
	}
	if g.chance(6) {
		m += "="
	}
	if g.chance(6) && strings.Contains("fFdDvqQpLcbCwe", letter) {
		m += "$"
	}
	if letter == "L" && g.chance(4) {
		m += "?"
	}
	return m
}

func (g *generator) argument(letter, path string) string {
	switch letter {
	case "f", "F":
		return pick(g, "-", "text", `a\nb`, "100%%")
	case "w":
		return pick(g, "written", `x\n`)
	case "L":
		return pick(g, "-", "a", "../b", "/w/c", g.path())
	case "C":
		return g.source(path)
	case "c", "b":
		return pick(g, "1:3", "0:0")
	case "t", "T":
		return pick(g, "user.t=1", `user.t=1 user.u="a b"`)
	case "h", "H":
		return pick(g, "+d", "-d", "=", "+A")
	case "a", "A":
		return pick(g, "u:ada:rwx", "u:ada:rwX,g:staff:r-x", "d:u:bob:rwx", "m::r--",
			"u::rwx,g::r-x,o::---", "d:g:50:rX,u:1001:r--", "g:nobodyhere:r", "u:bob:---,d:u::rwx")
	}
	return "-"
}

// source is what may be copied to a path: not what the path is in, which systemd copies
// into itself until names are too long.
func (g *generator) source(path string) string {
	source := g.path()
	if source == path || strings.HasPrefix(path, source+"/") {
		return "/missing"
	}
	return source
}

// quote writes a path as a word of a line.
func quote(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, "\xff", `\xff`).Replace(path) + `"`
}

func (g *generator) operations() apply.Operations {
	return pick(g, apply.Create, apply.Create, apply.Create, apply.Create|apply.Remove,
		apply.Create|apply.Remove|apply.Clean, apply.Clean, apply.Purge, apply.Remove,
		apply.Create|apply.Purge)
}
