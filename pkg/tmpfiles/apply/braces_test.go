package apply

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestBraces(t *testing.T) {
	for pattern, want := range map[string]string{
		"/a/b":            "/a/b",
		"/a/{b,c}":        "/a/b /a/c",
		"/a/{b,c{d,e}}f":  "/a/bf /a/cdf /a/cef",
		"{a,b}{c,d}":      "ac ad bc bd",
		"/a/{}":           "/a/{}",
		"/a/{b":           "/a/{b",
		"/a/b}":           "/a/b}",
		`/a/\{b,c}`:       `/a/\{b,c}`,
		"/a/{b}":          "/a/b",
		"/a/{,b}":         "/a/ /a/b",
		`/a/{b\,c,d}`:     `/a/b\,c /a/d`,
		"/a/{b,c}/{}{d,}": "/a/b/{}d /a/b/{} /a/c/{}d /a/c/{}",
	} {
		got, err := braces(pattern)
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", pattern, err, diff)
		}
	}
}

func TestBracesAreBounded(t *testing.T) {
	if _, err := braces(strings.Repeat("{a,b}", 40)); err == nil {
		t.Error("no error")
	}
}

// FuzzBraces sees that nothing is made up: all bytes of a result are in the pattern.
func FuzzBraces(f *testing.F) {
	for _, seed := range []string{"/a/{b,c{d,e}}f", `\{{,}`, "{{{}", "{}}{,\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		words, err := braces(pattern)
		if err != nil {
			return
		}
		if len(words) == 0 || len(words) > maxAlternatives {
			t.Fatalf("%d words", len(words))
		}
		for _, word := range words {
			if len(word) > len(pattern) || strings.Trim(word, pattern) != "" {
				t.Errorf("%q became %q", pattern, word)
			}
		}
	})
}

func TestUnescape(t *testing.T) {
	for word, want := range map[string]string{"a": "a", `\a`: "a", `a\\b\*`: `a\b*`, `a\`: `a\`} {
		if got := unescape(word); got != want {
			t.Errorf("unescape(%q) = %q, want %q", word, got, want)
		}
	}
}

// TestMask has the cases of tmpfiles.d(5): of the mode, that remains which somebody has.
func TestMask(t *testing.T) {
	for _, c := range []struct{ mode, have, want uint32 }{
		{0o777, unix.S_IFREG | 0o644, 0o666},
		{0o777, unix.S_IFREG | 0o400, 0o444},
		{0o6777, unix.S_IFREG | 0o755, 0o777},
		{0o2777, unix.S_IFDIR | 0o755, 0o2777},
		{0o777, unix.S_IFDIR, 0},
	} {
		if got := mask(c.mode, c.have); got != c.want {
			t.Errorf("mask(%o, %o) = %o, want %o", c.mode, c.have, got, c.want)
		}
	}
}

func TestSocketPaths(t *testing.T) {
	list := "Num       RefCount Protocol Flags    Type St Inode Path\n" +
		"ffff8a: 00000002 00000000 00010000 0001 01 20219 /run/a socket\n" +
		"ffff8b: 00000002 00000000 00000000 0002 01 20220\n" +
		"ffff8c: 00000003 00000000 00000000 0001 03 20221 @abstract\n" +
		"ffff8d: 00000002 00000000 00010000 0001 01 20222 //run//b\n"
	want := map[string]bool{"/run/a socket": true, "/run/b": true}
	if diff := cmp.Diff(want, socketPaths(list)); diff != "" {
		t.Error(diff)
	}
}
