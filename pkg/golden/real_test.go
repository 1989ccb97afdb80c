package golden_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/internal/trixie"
	"github.com/freshroot/freshroot/pkg/account"
	"github.com/freshroot/freshroot/pkg/golden"
	"github.com/freshroot/freshroot/pkg/golden/lint"
	"github.com/freshroot/freshroot/qemu-tests/guest"
)

// newDebian copies the Debian of the virtual machines and makes an installed system of
// it again, with its /etc and /var at their places.
func newDebian(t *testing.T) string {
	t.Helper()
	testfs.Root(t)
	testfs.Tool(t, "mmdebstrap")
	debian, err := guest.Debian(t.Context(), "bookworm")
	must(t, err)
	dir := t.TempDir()
	testfs.Run(t, "cp", "-a", "--reflink=auto", filepath.Join(debian.Dir, "usr"), dir)
	share := filepath.Join(dir, "usr/share")
	for _, part := range []string{"etc", "var"} {
		must(t, os.Rename(filepath.Join(share, "factory", part), filepath.Join(dir, part)))
	}
	must(t, os.RemoveAll(filepath.Join(share, "factory")))
	for _, own := range []string{tmpfilesConf, sysusersConf} {
		must(t, os.RemoveAll(filepath.Join(dir, own)))
	}
	return dir
}

// Of a real Debian, systemd's own tools make the /etc and /var that the factory has,
// with the same numbers, owners and modes; and there is nothing to complain about.
func TestIntegrationDebian(t *testing.T) {
	dir := newDebian(t)
	build(t, openRoot(t, dir), golden.Options{})
	checkLint(t, dir)
	factory := filepath.Join(dir, "usr/share/factory")
	for _, part := range []string{"etc", "var"} {
		must(t, os.RemoveAll(filepath.Join(dir, part)))
		must(t, os.Mkdir(filepath.Join(dir, part), 0o755))
	}
	populate(t, trixie.Sysusers(t), "--root="+dir)
	populate(t, trixie.Tmpfiles(t), "--root="+dir, "--create", "--boot", "-E")
	for _, part := range []string{"etc", "var"} {
		want := describe(t, filepath.Join(factory, part))
		got := describe(t, filepath.Join(dir, part))
		for name := range got {
			if _, ok := want[name]; !ok {
				delete(got, name) // what the vendor's lines make besides
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("/%s (-factory +populated by systemd):\n%s", part, diff)
		}
	}
	if diff := cmp.Diff(numbers(t, factory), numbers(t, dir)); diff != "" {
		t.Errorf("numbers (-factory +populated by systemd):\n%s", diff)
	}
}

func checkLint(t *testing.T, dir string) {
	t.Helper()
	found, err := lint.Run(testfs.Open(t, dir))
	must(t, err)
	for _, f := range found {
		if f.Severity != lint.Note {
			t.Errorf("%+v", f)
		}
	}
}

// populate runs one of systemd's tools. That some lines need a running system makes
// its status 65 or 73, which systemd's own units take for success.
func populate(t *testing.T, tool string, args ...string) {
	t.Helper()
	out, err := exec.Command(tool, args...).CombinedOutput()
	var status *exec.ExitError
	if errors.As(err, &status) && (status.ExitCode() == 65 || status.ExitCode() == 73) {
		err = nil
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", tool, err, out)
	}
	for line := range strings.Lines(string(out)) {
		if file, _, _ := strings.Cut(line, ":"); strings.HasSuffix(file, "freshroot-factory.conf") {
			t.Errorf("%s complains: %s", tool, line)
		}
	}
}

// describe tells the type, mode, owner and target of each file, but of those that the
// tools write themselves, or link in other words.
func describe(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		must(t, err)
		name, _ := filepath.Rel(dir, path)
		switch name {
		case "passwd", "group", "shadow", "gshadow", "machine-id", "run", "lock":
			return nil
		}
		attributes := strings.Fields(attributes(t, path))
		target, _ := os.Readlink(path)
		files[name] = fmt.Sprint(attributes[:2], target)
		return nil
	})
	must(t, err)
	return files
}

// numbers are those of all users and groups.
func numbers(t *testing.T, dir string) map[string]uint32 {
	t.Helper()
	passwd, err := os.ReadFile(filepath.Join(dir, "etc/passwd"))
	must(t, err)
	group, err := os.ReadFile(filepath.Join(dir, "etc/group"))
	must(t, err)
	db, n := account.Parse(passwd, group), map[string]uint32{}
	for _, u := range db.Users() {
		n["user "+u.Name], n["primary group of "+u.Name] = u.UID, u.GID
	}
	for _, g := range db.Groups() {
		n["group "+g.Name] = g.GID
	}
	return n
}
