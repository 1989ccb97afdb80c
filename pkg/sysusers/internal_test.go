package sysusers

import (
	"bufio"
	"errors"
	"io"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSimplify(t *testing.T) {
	long := strings.Repeat("x", maxName+1)
	for from, want := range map[string]string{
		"":                     "",
		"/":                    "/",
		"///":                  "/",
		".":                    ".",
		"./":                   ".",
		"///foo//./bar/.":      "/foo/bar",
		".//./foo//./bar/":     "foo/bar",
		"/../foo/bar":          "/foo/bar",
		"/./../..":             "/",
		"/../foo/bar/..":       "/foo/bar/..",
		"../foo":               "../foo",
		"/.foo/..bar":          "/.foo/..bar",
		"/a//" + long + "//b/": "/a/" + long + "//b/",
	} {
		if diff := cmp.Diff(want, simplify(from)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", from, diff)
		}
	}
}

// FuzzSimplify compares with Go's own, which also resolves double dots.
func FuzzSimplify(f *testing.F) {
	f.Add("/a//./b/")
	f.Add("../.././x")
	f.Fuzz(func(t *testing.T, s string) {
		got := simplify(s)
		if diff := cmp.Diff(got, simplify(got)); diff != "" {
			t.Errorf("a second time (-first +second):\n%s", diff)
		}
		if s == "" || strings.Contains(s, "..") || len(s) > maxName {
			return
		}
		if diff := cmp.Diff(path.Clean(s), got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", s, diff)
		}
	})
}

func TestValidName(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "_": true, "Z-9_": true, strings.Repeat("a", 31): true,
		"": false, "-a": false, "9a": false, "a.b": false, "ä": false, "a b": false,
		"a$": false, "@": false, "[": false, strings.Repeat("a", 32): false,
	} {
		if got := ValidName(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestValidHome(t *testing.T) {
	name := "/" + strings.Repeat("x", maxName)
	for home, want := range map[string]bool{
		"/": true, "/a/b": true, "/ü": true, "/..a": true, name: true,
		"": false, "a": false, "/a/..": false, "/a\n": false, "/a:b": false, "/a\x7f": false,
		"/\ufdd0": false, "/\xff": false, name + "x": false, strings.Repeat(name, 16): false,
	} {
		if got := validHome(home); got != want {
			t.Errorf("%q: %v", home, got)
		}
	}
	if validShell("/") || !validShell("/bin/sh") {
		t.Error("a shell is a directory, or /bin/sh is none")
	}
}

func TestRanges(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  ranges
	}{
		{[]string{"5"}, ranges{{5, 5}}},
		{[]string{"5-9", "1-2"}, ranges{{1, 2}, {5, 9}}},
		{[]string{"5-9", "10-12", "3-4"}, ranges{{3, 12}}},
		{[]string{"1-20", "5-6", "30"}, ranges{{1, 20}, {30, 30}}},
		{[]string{"0-4294967294", "7"}, ranges{{0, 4294967294}}},
	} {
		var got ranges
		for _, line := range c.lines {
			if err := got.parse(line); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(span{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.lines, diff)
		}
	}
}

// TestRangesDown walks through all ids of two ranges.
func TestRangesDown(t *testing.T) {
	r := ranges{{0, 2}, {7, 7}, {9, 10}}
	var got []uint32
	id, err := r.below(1<<32 - 1)
	for ; err == nil; id, err = r.below(id) {
		if !r.contains(id) {
			t.Errorf("%d is not in %v", id, r)
		}
		got = append(got, id)
	}
	if diff := cmp.Diff([]uint32{10, 9, 7, 2, 1, 0}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !errors.Is(err, errNoneFree) || r.contains(3) || r.contains(11) {
		t.Errorf("at the end: %v", err)
	}
}

func TestParseLoginDefs(t *testing.T) {
	for text, want := range map[string]loginDefs{
		"":                                 {1, 999, 1, 999},
		"SYS_UID_MIN 100\nSYS_GID_MIN 0":   {100, 999, 1, 999},
		"SYS_UID_MAX 600\nSYS_GID_MAX\t 7": {1, 600, 1, 7},
		// A lower end that is too high is set back.
		"SYS_UID_MIN 700\nSYS_UID_MAX 600": {1, 600, 1, 999},
		"SYS_UID_MIN 700\nSYS_UID_MAX 1":   {0, 1, 1, 999},
		// What systemd does not take for a value is ignored.
		"SYS_UID_MAX\nSYS_UID_MAX 07\nSYS_UID_MAX 5 # no\nSYS_UID_MAX=4": {1, 999, 1, 999},
	} {
		got, err := parseLoginDefs([]byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(loginDefs{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	long := "#" + strings.Repeat("x", maxDefs)
	if _, err := parseLoginDefs([]byte(long)); err == nil {
		t.Error("a line of any length is taken")
	}
}

func TestLineReader(t *testing.T) {
	for text, want := range map[string][]string{
		"":                   nil,
		"a":                  {"a"},
		"a\n":                {"a"},
		"a\n\nb":             {"a", "", "b"},
		"a\r\nb\r\n\r\nc":    {"a", "b", "", "c"},
		"a\n\rb":             {"a", "b"},
		"a\r\rb":             {"a", "", "b"},
		"a\x00\nb":           {"a", "", "b"},
		"a\n\x00b\r\n\x00\n": {"a", "b", ""},
	} {
		lines := lineReader{r: bufio.NewReader(strings.NewReader(text))}
		var got []string
		line, err := lines.next()
		for ; err == nil; line, err = lines.next() {
			got = append(got, line)
		}
		if err != io.EOF {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

// TestIndex holds the table against a map, far beyond its first size.
func TestIndex(t *testing.T) {
	var keys []string
	var x index[string]
	x.init(func(i int32) string { return keys[i] })
	if _, ok := x.find("0"); ok {
		t.Error("found in an empty index")
	}
	for i := range int32(5000) {
		keys = append(keys, strconv.Itoa(int(i)))
		x.add(i)
	}
	for i := range int32(5000) {
		if got, ok := x.find(strconv.Itoa(int(i))); !ok || got != i {
			t.Fatalf("%d is at %d: %v", i, got, ok)
		}
	}
	if _, ok := x.find("5000"); ok {
		t.Error("found what was not added")
	}
}

func TestItems(t *testing.T) {
	var l items
	l.init()
	var want, got []string
	for i := range 2*chunk + 1 {
		want = append(want, strconv.Itoa(i))
		l.add(item{record: record(want[i], "group", "", "gecos")})
	}
	for i := range l.all() {
		got = append(got, i.name())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	i := l.find("300")
	fields := []string{i.field(fieldGroup), i.field(fieldPath), i.field(fieldGECOS), i.field(fieldShell)}
	if diff := cmp.Diff([]string{"group", "", "gecos", ""}, fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if l.find("none") != nil {
		t.Error("found what was not added")
	}
}
