package pool_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/pool"
)

func TestIntegrationCheckUsr(t *testing.T) {
	dir := testfs.Btrfs(t, 128)
	golden := func(name string, modules ...string) {
		path := filepath.Join(dir, name)
		testfs.Run(t, "btrfs", "-q", "subvolume", "create", path)
		for _, m := range modules {
			if err := os.MkdirAll(filepath.Join(path, "lib/modules", m), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		testfs.Run(t, "btrfs", "property", "set", path, "ro", "true")
	}
	golden("static")
	golden("old", "6.1.0")
	golden("both", "6.1.0", "6.2.0")
	testfs.Run(t, "btrfs", "-q", "subvolume", "create", filepath.Join(dir, "writable"))
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "dir"), 0o755),
		os.WriteFile(filepath.Join(dir, "file"), nil, 0o644),
		os.Symlink("both", filepath.Join(dir, "link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	top := testfs.Open(t, dir)
	for entry, want := range map[string]string{
		"static": "", "both": "", "old": "no modules for kernel 6.2.0", "writable": "writable: ",
		"dir": "not a subvolume", "file": "not a directory", "link": "not a directory",
		"absent": "not a directory", "..": "not a directory",
	} {
		got := fmt.Sprint(pool.CheckUsr(top, entry, "6.2.0"))
		if want == "" {
			want = "<nil>"
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("CheckUsr(%q) = %s, want %s", entry, got, want)
		}
	}
	if err := pool.CheckUsr(top, "old", ""); err != nil {
		t.Errorf("kernel not known: %v", err)
	}
}

func TestEntries(t *testing.T) {
	dir := t.TempDir()
	want := []string{"a", "b\n\xff", "usr:v:a:1", strings.Repeat("z", 255)}
	for i := range 3000 { // more than the kernel returns at once
		want = append(want, fmt.Sprintf("usr:org.example.%s:x86-64:%d", strings.Repeat("l", i%100), i))
	}
	slices.Sort(want)
	for _, name := range want {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	top := testfs.Open(t, dir)
	if _, err := pool.Entries(top); err != nil {
		t.Fatal(err)
	}
	got, err := pool.Entries(top) // from the beginning again
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	if got, err := pool.Entries(testfs.Open(t, t.TempDir())); len(got) > 0 || err != nil {
		t.Errorf("empty: %q, %v", got, err)
	}
}
