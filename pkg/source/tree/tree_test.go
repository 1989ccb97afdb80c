package tree

import (
	"path"
	"strings"
	"testing"
)

func TestClean(t *testing.T) {
	for name, want := range map[string]string{
		".": ".", "./": ".", "a": "a", "a/": "a", "./a//b/.": "a/b", "..a/b..": "..a/b..", "...": "...",
		"": "", "/": "", "/a": "", "..": "", "a/..": "", "a/../b": "", "../a": "", "a\x00": "",
	} {
		got, err := Clean(name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("Clean(%q) = %q, %v; want %q", name, got, err, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a/../../b")
	f.Add("//a")
	f.Fuzz(func(t *testing.T, name string) {
		got, err := Clean(name)
		if err != nil {
			return
		}
		for part := range strings.SplitSeq(got, "/") {
			if part == "" || part == ".." {
				t.Errorf("Clean(%q) = %q", name, got)
			}
		}
		if path.Join("/top", got) != "/top" && !strings.HasPrefix(path.Join("/top", got), "/top/") {
			t.Errorf("Clean(%q) = %q leads out", name, got)
		}
	})
}

func TestLeftOut(t *testing.T) {
	for name, want := range map[string]bool{
		"dev": false, "dev/null": true, "proc/1/x": true, "usr/dev/null": false, "device/x": false, ".": false,
	} {
		if leftOut(name) != want {
			t.Errorf("leftOut(%q) is not %t", name, want)
		}
	}
}
