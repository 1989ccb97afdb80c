package dropin_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/dropin"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

func files(names ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for _, name := range names {
		m[name] = &fstest.MapFile{Data: []byte("x")}
	}
	return m
}

func paths(files []dropin.File) []string {
	list := []string{}
	for _, f := range files {
		list = append(list, f.Path)
	}
	return list
}

func TestFiles(t *testing.T) {
	fsys := files(
		"etc/x.d/b.conf", "run/x.d/b.conf", "run/x.d/a.conf", "usr/lib/x.d/a.conf",
		"usr/lib/x.d/00.conf", "usr/local/lib/x.d/z.conf", "usr/lib/x.d/z.conf",
		"usr/lib/x.d/masked.conf", "usr/lib/x.d/null.conf",
		"usr/lib/x.d/README", "usr/lib/x.d/c.conf.bak", "usr/lib/y.d/a.conf",
	)
	fsys["etc/file.d"] = &fstest.MapFile{}
	fsys["usr/lib/file.d/a.conf"] = &fstest.MapFile{Data: []byte("x")}
	fsys["etc/x.d/masked.conf"] = &fstest.MapFile{}
	fsys["run/x.d/null.conf"] = &fstest.MapFile{Mode: fs.ModeDevice | fs.ModeCharDevice}
	got, err := dropin.Files(fsys, "x.d", ".conf")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"usr/lib/x.d/00.conf", "run/x.d/a.conf", "etc/x.d/b.conf", "usr/local/lib/x.d/z.conf",
	}
	if diff := cmp.Diff(want, paths(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, err := dropin.Files(fsys, "file.d", ".conf"); err != nil || len(got) != 1 {
		t.Errorf("a file in place of a directory: %v, %v", got, err)
	}
	if got, err := dropin.Files(fsys, "none.d", ".conf"); err != nil || len(got) > 0 {
		t.Errorf("no directory: %v, %v", got, err)
	}
}

// TestFilesLinks reads a tree in which links mask files, and lead out of it.
func TestFilesLinks(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"etc/x.d", "usr/lib/x.d", "dev"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		path := filepath.Join(root, "usr/lib/x.d", name+".conf")
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{
		"a.conf": "/dev/null", "b.conf": "/usr/lib/x.d/c.conf", "d.conf": "/etc/passwd",
	} {
		if err := os.Symlink(target, filepath.Join(root, "etc/x.d", name)); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	got, err := dropin.Files(rootfs.FS(dir), "x.d", ".conf")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"etc/x.d/b.conf", "usr/lib/x.d/c.conf"}
	if diff := cmp.Diff(want, paths(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAround(t *testing.T) {
	fsys := files("etc/b.conf", "usr/a.conf", "usr/b.conf", "usr/c.conf")
	fsys["etc/m.conf"] = &fstest.MapFile{}
	for name, want := range map[string][2][]string{
		"usr/bb.conf": {{"usr/a.conf", "etc/b.conf"}, {"usr/c.conf"}},
		"usr/c.conf":  {{"usr/a.conf", "etc/b.conf"}, {}},
		"etc/a.conf":  {{}, {"etc/b.conf", "usr/c.conf"}},
		"etc/b.conf":  {{"usr/a.conf"}, {"usr/c.conf"}},
		"usr/b.conf":  {{"usr/a.conf", "etc/b.conf", "usr/c.conf"}, nil},
		"usr/m.conf":  {{"usr/a.conf", "etc/b.conf", "usr/c.conf"}, nil},
		"opt/b.conf":  {{"usr/a.conf", "etc/b.conf", "usr/c.conf"}, nil},
	} {
		before, after, ok, err := dropin.Around(fsys, []string{"etc", "usr"}, ".conf", name)
		if err != nil || ok != (want[1] != nil) {
			t.Errorf("%s: counts %v, %v", name, ok, err)
		}
		got := [2][]string{paths(before), paths(after)}
		if !ok {
			got[1] = nil
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
