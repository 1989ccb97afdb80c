package merge_test

import (
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/merge"
)

// grow makes a tree: two bytes are a path of up to four levels and a content. What is
// in the way of a path is replaced.
func grow(data []byte) tree {
	t := tree{}
	for ; len(data) >= 2; data = data[2:] {
		var parts []string
		for depth := range 1 + data[0]&3 {
			parts = append(parts, string('a'+data[0]>>(2+2*min(depth, 2))&3))
		}
		name := path.Join(parts...)
		for i := range parts[1:] {
			dir := path.Join(parts[:i+1]...)
			if _, leaf := t[dir]; leaf {
				t.remove(dir)
			}
			if !has(t, dir+"/") {
				t[dir+"/"] = ""
			}
		}
		t.remove(name)
		if data[1]&4 != 0 {
			name += "/"
		}
		t[name] = string('0' + data[1]&3)
	}
	return t
}

// FuzzWalk holds the laws of a merge for any three trees.
func FuzzWalk(f *testing.F) {
	f.Add([]byte("a1b2c3"), []byte("a1bbc3"), []byte("a2b2"))
	f.Add([]byte("\x40\x04\x41\x01\x83\x01"), []byte("\x40\x01"), []byte("\x41\x02\x83\x06"))
	f.Add([]byte{}, []byte("\x00\x00\x55\x05"), []byte("\x00\x01\x54\x02"))
	f.Fuzz(func(t *testing.T, rawBase, rawMine, rawTheirs []byte) {
		base, mine, theirs := grow(rawBase), grow(rawMine), grow(rawTheirs)
		law := func(name string, want, got tree) {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		got, _ := run(t, base, base, theirs)
		law("mine is base: theirs", theirs, got)
		got, _ = run(t, base, mine, base)
		law("theirs is base: mine", mine, got)
		got, actions := run(t, base, theirs, theirs)
		law("mine is theirs: the same", theirs, got)
		if actions != nil {
			t.Errorf("mine is theirs: %q", actions)
		}
		got, _ = run(t, base, mine, theirs)
		nothingLost(t, base, mine, theirs, got)
		again, _ := run(t, theirs, got, theirs)
		law("once more: nothing", got, again)
		unknown, _ := run(t, nil, mine, theirs)
		nothingLost(t, nil, mine, theirs, unknown)
	})
}

// nothingLost sees that what I changed is as it was, and that nothing is there which
// nobody had.
func nothingLost(t *testing.T, base, mine, theirs, got tree) {
	for name, content := range mine {
		was, had := base[name]
		own := !had || was != content
		if now, is := got[name]; own && (!is || now != content) {
			t.Errorf("%q of mine, %q, is now %q (there: %v)", name, content, now, is)
		}
	}
	for name := range got {
		plain := strings.ReplaceAll(name, merge.Suffix, "")
		if !has(mine, plain) && !has(theirs, plain) {
			t.Errorf("%q was nobody's", name)
		}
	}
}

func has(t tree, name string) bool { _, is := t[name]; return is }

// TestGrow sees that the fuzz test does not compare empty trees.
func TestGrow(t *testing.T) {
	want := tree{"a/": "", "a/a/": "", "a/a/c/": "", "a/a/c/c/": "2"}
	if diff := cmp.Diff(want, grow([]byte("\x01\x01\x83\x06"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
