package apply_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// file is a file of a generated root, or a link to its text.
type file struct {
	path, text string
	mode       os.FileMode
	uid, gid   int
}

// state is a generated root with its configuration.
type state struct {
	files       []file
	arguments   []string // files that are given as arguments, if any
	credentials []file
}

// String shows a state so that it can be made by hand.
func (s state) String() string {
	var b strings.Builder
	for _, f := range slices.Concat(s.files, s.credentials) {
		fmt.Fprintf(&b, "=== %s %o %d:%d\n%s", f.path, f.mode, f.uid, f.gid, f.text)
	}
	fmt.Fprintf(&b, "arguments: %q\n", s.arguments)
	return b.String()
}

// past is when all files were written last.
var past = time.Unix(1_600_000_000, 123456789)

func (f file) build(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, f.path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if f.mode&os.ModeSymlink != 0 {
		if err := os.Symlink(f.text, path); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := os.WriteFile(path, []byte(f.text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(path, f.uid, f.gid); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, f.mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, past, past); err != nil {
		t.Fatal(err)
	}
}

func (s state) build(t *testing.T, root string) {
	t.Helper()
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range s.files {
		f.build(t, root)
	}
}

func (s state) buildCredentials(t *testing.T, dir string) string {
	t.Helper()
	if len(s.credentials) == 0 {
		return ""
	}
	dir = filepath.Join(dir, "credentials")
	for _, f := range s.credentials {
		f.build(t, dir)
	}
	return dir
}

// generator makes states in which few names and ids are used often.
type generator struct{ *rand.Rand }

func generate(seed uint64) state {
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	var s state
	for _, db := range []struct {
		name string
		line func() string
	}{
		{"passwd", g.passwd}, {"group", g.group}, {"shadow", g.shadow}, {"gshadow", g.gshadow},
	} {
		if g.IntN(5) > 0 {
			s.files = append(s.files, file{
				path: "etc/" + db.name, text: g.lines(g.IntN(7), db.line),
				mode: os.FileMode(g.pick(0o644, 0o640, 0o600, 0)), uid: g.pick(0, 0, 7), gid: g.pick(0, 42),
			})
		}
	}
	for _, path := range []string{"owned/a", "owned/b", "owned/c", "bin/bash"} {
		if g.IntN(3) > 0 {
			s.files = append(s.files, file{path: path, uid: g.id(), gid: g.id(), mode: 0o4755})
		}
	}
	if g.IntN(2) == 0 {
		s.files = append(s.files, file{path: "etc/os-release", text: "ID=debian\nVERSION_ID=\"12\"\n", mode: 0o644})
	}
	return g.configuration(s)
}

func (g generator) configuration(s state) state {
	for n := range 1 + g.IntN(2) {
		name := fmt.Sprintf("usr/lib/sysusers.d/%d.conf", n)
		s.files = append(s.files, file{path: name, text: g.lines(g.IntN(9), g.config), mode: 0o644})
		if g.IntN(8) == 0 {
			s.arguments = append(s.arguments, name)
		}
	}
	for g.IntN(6) == 0 {
		kind := []string{"hashed-password", "hashed-password", "shell"}[g.IntN(3)]
		text := []string{"$6$a$b", "/bin/zsh", "", "with:colon", "line\n"}[g.pick(0, 0, 0, 0, 1, 1, 1, 1, 2, 3, 4)]
		s.credentials = append(s.credentials, file{path: "passwd." + kind + "." + g.name(), text: text, mode: 0o600})
	}
	return s
}

func (g generator) pick(of ...int) int { return of[g.IntN(len(of))] }

func (g generator) word(of string) string {
	words := strings.Split(of, " ")
	return words[g.IntN(len(words))]
}

// seldom returns what is usual, but for one case of some.
func (g generator) seldom(of int, usual, other string) string {
	if g.IntN(of) == 0 {
		return other
	}
	return usual
}

func (g generator) name() string { return g.word("root adm audio bin a b c d svc_1 Z-9 nobody") }

func (g generator) id() int {
	return g.pick(0, 1, 2, 3, 5, 7, 42, 100, 995, 996, 997, 998, 999, 1000, 1001, 65534)
}

func (g generator) lines(n int, line func() string) string {
	var b strings.Builder
	for range n {
		text := g.seldom(12, line(), g.word(" # \t#comment garbage : :: x:y + - +:: -b +@net +a::::::")) // also what is no entry
		b.WriteString(strings.ReplaceAll(text, "\n", " ") + g.seldom(40, "\n", "\n\n"))
	}
	return strings.TrimSuffix(b.String(), g.seldom(10, "", "\n"))
}

func (g generator) number() string {
	return g.seldom(15, fmt.Sprint(g.id()), g.word("-1 +5 4294967295 4294967296 99999999999999999999 7x 007 -0"))
}

func (g generator) passwd() string {
	return fmt.Sprintf("%s:%s:%s:%s:%s:%s:%s%s", g.seldom(20, g.name(), g.word("+ - +a -b")), g.seldom(9, "x", "secret"),
		g.number(), g.number(), g.word("Some,Body x"), g.word("/ /home/x"), g.word("/bin/sh /bin/false"),
		g.seldom(50, "", ":more"))
}

func (g generator) members() string {
	var m []string
	for range g.pick(0, 0, 1, 2, 3) {
		m = append(m, g.name())
	}
	return strings.Join(m, g.seldom(9, ",", ", ")) + g.seldom(20, "", ",")
}

func (g generator) group() string {
	return fmt.Sprintf("%s:x:%s:%s%s", g.seldom(20, g.name(), g.word("+ - +a -b")), g.number(), g.members(), g.seldom(60, "", ":m"))
}

func (g generator) shadow() string {
	fields := []string{g.seldom(20, g.name(), g.word("+ +a")), g.word("* ! $6$x")}
	for range g.pick(7, 7, 7, 7, 7, 7, 3, 4, 6, 8) {
		fields = append(fields, g.seldom(3, g.number(), ""))
	}
	return strings.Join(fields, ":")
}

func (g generator) gshadow() string {
	return fmt.Sprintf("%s:%s:%s:%s%s", g.seldom(20, g.name(), g.word("+ +a")), g.word("! * !*"), g.members(), g.members(), g.seldom(60, "", ":m"))
}

func (g generator) config() string {
	name := g.seldom(30, g.name(), g.word("- 0day a.b a%%b %o toolongtoolongtoolongtoolongtoolong x%W"))
	switch g.IntN(10) {
	case 0, 1, 2:
		return fmt.Sprintf("g %s %s", name, g.ids(false))
	case 3, 4:
		return fmt.Sprintf("m %s %s", name, g.seldom(30, g.name(), "-"))
	case 5:
		return fmt.Sprintf("r - %s", g.word("900-905 950 500-510 5-1 1-3 42 900- -7 0-2 999-1001"))
	default:
		return fmt.Sprintf("u%s %s %s%s", g.seldom(5, "", g.word("! !! ? -")), name, g.ids(true), g.rest())
	}
}

func (g generator) ids(user bool) string {
	id := g.seldom(20, fmt.Sprint(g.id()), g.word("65535 4294967295 07 x +1"))
	switch g.IntN(10) {
	case 0, 1, 2:
		return "-"
	case 3, 4:
		return g.word("/owned/a /owned/b //owned/./c /owned/none")
	case 5, 6:
		if user {
			return g.seldom(4, id, "-") + ":" + g.seldom(2, fmt.Sprint(g.id()), g.name())
		}
	}
	return id
}

func (g generator) rest() string {
	text := ""
	for _, field := range []string{
		g.word(`- "A_b" 'c' "%o%%" b\ad "x:y" ü "\"q\"" %Q %! "`),
		g.word("- - / /var/lib/x //a/./b/ relative /a/../b /%w"),
		g.word("- - /bin/sh /bin/true /usr/sbin/nologin /bin/ /x:y"),
		g.word("- more"),
	} {
		if g.IntN(3) == 0 {
			break
		}
		text += " " + field
	}
	return text
}
