package archive

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/u-root/u-root/pkg/cpio"
)

func TestParseAddition(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	tests := []struct {
		s    string
		want Addition
	}{
		{"/bin/sh", Addition{"/bin/sh", "bin/sh"}},
		{"/usr/bin/busybox:/bin/sh", Addition{"/usr/bin/busybox", "bin/sh"}},
		{"a:b", Addition{"a", "b"}},
		{"a:/../b/./c/", Addition{"a", "b/c"}},
		{"a:b:c", Addition{"a", "b:c"}},
		{"file", Addition{"file", strings.TrimPrefix(filepath.Join(dir, "file"), "/")}},
	}
	for _, tt := range tests {
		got, err := ParseAddition(tt.s)
		if err != nil {
			t.Errorf("ParseAddition(%q): %v", tt.s, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("ParseAddition(%q) (-want +got):\n%s", tt.s, diff)
		}
	}
	for _, s := range []string{"", ":", ":/x", "/x:", "/x:/", "/x:.."} {
		if got, err := ParseAddition(s); err == nil {
			t.Errorf("ParseAddition(%q) = %v, want an error", s, got)
		}
	}
}

func TestAddRefusesPaths(t *testing.T) {
	for _, name := range []string{"/bin/sh", "../sh", "bin/", "a//b", ".", ""} {
		if err := baseTree().add(cpio.StaticFile(name, "", 0o644)); err == nil {
			t.Errorf("%q was added", name)
		}
	}
}
