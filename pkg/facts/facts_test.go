package facts_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/facts"
)

func TestRunsSystemd(t *testing.T) {
	dir := t.TempDir()
	for _, usr := range []string{"debian", "other"} {
		for _, d := range []string{"/lib/systemd", "/sbin"} {
			if err := os.MkdirAll(filepath.Join(dir, usr+d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	for path, target := range map[string]string{
		"debian/sbin/init": "/lib/systemd/systemd", // as in Debian 12
		"debian/sbin/new":  "../lib/systemd/systemd",
		"other/sbin/init":  "../../debian/lib/systemd/systemd",
		"link":             "debian",
	} {
		if err := os.Symlink(target, filepath.Join(dir, path)); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"debian/lib/systemd/systemd", "debian/sbin/sysv"} {
		if err := os.WriteFile(filepath.Join(dir, path), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	top := testfs.Open(t, dir)
	for _, test := range []struct {
		entry, init string
		want        bool
	}{
		{"debian", "", true},
		{"debian", "/sbin/init", true},
		{"debian", "/usr/sbin/new", true},
		{"debian", "/usr/lib/systemd/systemd", true},
		{"debian", "/sbin/sysv", false},
		{"debian", "/sbin/absent", false},
		{"other", "", false},
		{"other", "/sbin/init", false},
		{"link", "", false},
		{"absent", "", false},
	} {
		if got := facts.RunsSystemd(top, test.entry, test.init); got != test.want {
			t.Errorf("RunsSystemd(%q, %q) = %v", test.entry, test.init, got)
		}
	}
}
