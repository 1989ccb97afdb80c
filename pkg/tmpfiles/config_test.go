package tmpfiles_test

import (
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/specifier"
	"github.com/freshroot/freshroot/pkg/tmpfiles"
)

// config returns the configuration that these lines are, and the numbers of those that
// are not used.
func config(t *testing.T, text string) (*tmpfiles.Config, []int) {
	t.Helper()
	lines, problems := tmpfiles.Parse("f", []byte(text), tmpfiles.Options{Boot: true})
	if problems != nil {
		t.Fatal(problems)
	}
	var (
		c       tmpfiles.Config
		dropped []int
	)
	for _, l := range lines {
		c.Add(&l)
	}
	for _, p := range c.Finish() {
		if p.Class != tmpfiles.Notice {
			t.Errorf("%v is of class %d", p, p.Class)
		}
		dropped = append(dropped, p.Number)
	}
	return &c, dropped
}

// order returns types and paths.
func order(groups iter.Seq[tmpfiles.Group]) string {
	var b strings.Builder
	for g := range groups {
		for _, l := range g.Lines {
			fmt.Fprintf(&b, "%c %s\n", l.Type, l.Path)
		}
	}
	return b.String()
}

func TestMerge(t *testing.T) {
	for name, tc := range map[string]struct {
		text    string
		want    string
		dropped []int
	}{
		"first wins": {"d /a 700\nd /b\nd /a 755\nf /a", "d /a\nd /b\n", []int{3, 4}},
		"same twice": {"d /a 700 root\nD /a 700 0", "D /a\nd /a\n", nil},
		"adjusting": {
			"z /a\na /a - - - - u:0:r\nt /a - - - - a=b\nz /a 7",
			"a /a\nt /a\nz /a\nz /a\n", nil,
		},
		"owner first": {"h /a - - - - +i\nw /a - - - - x", "w /a\nh /a\n", nil},
		"append": {
			"w+ /a - - - - x\nw+ /a - - - - y\nw /a - - - - z", "w /a\nw /a\n", []int{3},
		},
		"pattern and path":   {"e /a\nd /a", "d /a\ne /a\n", nil},
		"argument":           {"L /a - - - - x\nL /a - - - - y", "L /a\n", []int{2}},
		"age":                {"d /a - - - 1d\nd /a - - - 2d", "d /a\n", []int{2}},
		"owner":              {"d /a - bob\nd /a - eve", "d /a\n", []int{2}},
		"device":             {"c /a - - - - 1:3\nc /a - - - - 1:5", "c /a\n", []int{2}},
		"order of the files": {"d /b 7\nd /a 7\nd /b 6\nd /a 6", "d /b\nd /a\n", []int{3, 4}},
	} {
		c, dropped := config(t, tc.text)
		if diff := cmp.Diff(tc.want, order(c.Groups())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(tc.dropped, dropped); diff != "" {
			t.Errorf("%s, dropped (-want +got):\n%s", name, diff)
		}
	}
}

const tree = `z /a/b
d /a/b/c/d
d /a-x
f /a/b/e
d /a/b
d /a
r /a/b/*
d /
`

func TestOrder(t *testing.T) {
	c, _ := config(t, tree)
	const create = "d /a\nd /a/b\nd /a/b/c/d\nd /a-x\nf /a/b/e\nd /\nz /a/b\nr /a/b/*\n"
	if diff := cmp.Diff(create, order(c.Groups())); diff != "" {
		t.Errorf("create (-want +got):\n%s", diff)
	}
	const remove = "d /a/b/c/d\nd /a-x\nf /a/b/e\nr /a/b/*\nd /a/b\nz /a/b\nd /a\nd /\n"
	got := order(c.Reverse())
	if a, b := sorted(remove), sorted(got); a != b {
		t.Fatalf("remove has\n%s, want\n%s", b, a)
	}
	lines := strings.Split(got, "\n")
	for _, pair := range [][2]string{
		{"d /a/b/c/d", "d /a/b"}, {"f /a/b/e", "d /a/b"}, {"r /a/b/*", "d /a/b"}, {"d /a/b", "d /a"},
	} {
		if slices.Index(lines, pair[0]) > slices.Index(lines, pair[1]) {
			t.Errorf("%q is removed after %q:\n%s", pair[0], pair[1], got)
		}
	}
	for range c.Groups() {
		break // what is left of the groups must not be asked for
	}
	for range c.Reverse() {
		break
	}
}

func sorted(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestHasMatches(t *testing.T) {
	c, _ := config(t, "d /a/b\nz /a/c\nx /tmp/x-*\nd /a/b-c")
	for path, want := range map[string][2]bool{
		"/a": {}, "/a/b": {true, false}, "/a/b-c": {true, false}, "/a/b/c": {},
		"/a/c": {false, true}, "/tmp/x-1": {false, true}, "/tmp/x-1/y": {}, "/tmp/x-*": {false, true},
	} {
		if diff := cmp.Diff(want, [2]bool{c.Has(path), c.Matches(path)}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	var empty tmpfiles.Config
	if p := empty.Finish(); len(p) > 0 || empty.Has("/") || empty.Matches("/") {
		t.Error("an empty configuration has something")
	}
}

func TestAgeOfX(t *testing.T) {
	c, _ := config(t, `X /tmp/a
X /tmp/b
X /tmp/c*
X /none
X /own
d /tmp - - - 1d
d /tmp/b - - - 2d
d /tmp/cx - - - 3d
d /own
`)
	got := map[string]time.Duration{}
	for g := range c.Groups() {
		if l := g.Lines[0]; l.Type == 'X' && l.Age.Set {
			got[g.Path] = l.Age.For / 24
		}
	}
	want := map[string]time.Duration{
		"/tmp/a": time.Hour, "/tmp/b": 2 * time.Hour, "/tmp/c*": 3 * time.Hour,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLinesAsAdded takes lines of all kinds out again, among them one that is longer
// than what is otherwise kept together.
func TestLinesAsAdded(t *testing.T) {
	text := strings.Join([]string{
		"d+!-=$ /1 :~1777 root :4 ~aM:1h30min", "L? /2 - bob - - x", "b /3 - - - - 7:9",
		"h /4 - - - - =iA", "f /5 - - - - " + strings.Repeat("x", 4000), "e /6 0 - - infinity",
		"f~ /7 - - - - " + strings.Repeat("AAAA", 10000), "t /8 - - - - a=b", "f /9",
	}, "\n")
	want, problems := tmpfiles.Parse("f", []byte(text), tmpfiles.Options{Boot: true})
	if problems != nil {
		t.Fatal(problems)
	}
	c, _ := config(t, text)
	var got []tmpfiles.Line
	for g := range c.Groups() {
		got = append(got, g.Lines...)
	}
	byPath := func(a, b tmpfiles.Line) int { return strings.Compare(a.Path, b.Path) }
	slices.SortFunc(got, byPath)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoad(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	fsys := fstest.MapFS{
		"usr/lib/tmpfiles.d/b.conf": file("d /b 700\nbad"),
		"usr/lib/tmpfiles.d/a.conf": file("d /a"),
		"etc/tmpfiles.d/c.conf":     file("d /b 755\nd /c"),
		"usr/lib/tmpfiles.d/c.conf": file("d /vendor"),
		"run/tmpfiles.d/d.conf/x":   file(""),
	}
	extra := func(name string) ([]byte, error) {
		if name == tmpfiles.ExtraCredential {
			return []byte("d /extra"), nil
		}
		return nil, fs.ErrNotExist
	}
	given := func(text string) []tmpfiles.Source {
		return []tmpfiles.Source{{Name: "<stdin>", Reader: strings.NewReader(text)}}
	}
	replace := func(path string) tmpfiles.Sources {
		return tmpfiles.Sources{Given: given("d /x"), Replace: path}
	}
	for name, tc := range map[string]struct {
		from     tmpfiles.Sources
		o        tmpfiles.Options
		want     string
		problems int // one for d.conf, which is a directory
	}{
		"all":       {tmpfiles.Sources{}, tmpfiles.Options{}, "/a /b /c", 3},
		"extra":     {tmpfiles.Sources{}, tmpfiles.Options{Credential: extra}, "/a /b /c /extra", 3},
		"given":     {tmpfiles.Sources{Given: given("d /x\nd /a")}, tmpfiles.Options{}, "/x /a", 0},
		"replace":   {replace("/usr/lib/tmpfiles.d/b.conf"), tmpfiles.Options{}, "/a /x /b /c", 1},
		"new":       {replace("/usr/lib/tmpfiles.d/aa.conf"), tmpfiles.Options{}, "/a /x /b /c", 3},
		"outranked": {replace("/usr/lib/tmpfiles.d/c.conf"), tmpfiles.Options{}, "/a /b /c", 3},
		"elsewhere": {
			tmpfiles.Sources{Dirs: []string{"etc/tmpfiles.d"}}, tmpfiles.Options{}, "/b /c", 0,
		},
	} {
		c, problems, err := tmpfiles.LoadFrom(fsys, tc.from, tc.o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for g := range c.Groups() {
			got = append(got, g.Path)
		}
		if diff := cmp.Diff(tc.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if len(problems) != tc.problems {
			t.Errorf("%s: problems %v, want %d", name, problems, tc.problems)
		}
	}
	from := tmpfiles.Sources{Given: given("d /x\nf^ /y")}
	if _, _, err := tmpfiles.LoadFrom(fsys, from, tmpfiles.Options{}); err == nil {
		t.Error("no error for data that could not be had")
	}
}

// TestShipped reads the configuration of this machine, if it has any, in which nothing
// may be wrong.
func TestShipped(t *testing.T) {
	o := tmpfiles.Options{Boot: true, Lookup: func(letter byte) (string, error) {
		if strings.IndexByte("aAbBCgGhHlLmMoqSTtuUvVwW", letter) < 0 {
			return "", specifier.ErrUnknown
		}
		return "x", nil
	}}
	_, problems, err := tmpfiles.Load(os.DirFS("/"), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if p.Class == tmpfiles.Invalid || p.Class == tmpfiles.Failed {
			t.Error(p)
		}
	}
}

// BenchmarkLoad is a configuration of 20,000 lines. Its live memory is reported.
func BenchmarkLoad(b *testing.B) {
	var text strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&text, "%s /var/lib/service-%d/directory/%d 0755 root root 10d\n",
			[]string{"d", "f", "z", "L"}[i%4], i%997, i)
	}
	fsys := fstest.MapFS{"etc/tmpfiles.d/x.conf": {Data: []byte(text.String())}}
	b.ReportAllocs()
	for b.Loop() {
		c, _, err := tmpfiles.Load(fsys, tmpfiles.Options{})
		if err != nil {
			b.Fatal(err)
		}
		for range c.Groups() {
		}
	}
}
