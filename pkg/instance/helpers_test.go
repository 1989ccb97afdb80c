package instance_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/subvol"
)

const (
	name   = "root:default:org.example.os:x86-64"
	vendor = "usr:org.example.os:x86-64:"
)

// machine is a pool with versions of an OS.
type machine struct {
	t    *testing.T
	pool *os.File
	root string // the instance
	kept func(path string) bool
}

func newMachine(t *testing.T, mib int64) *machine {
	t.Helper()
	old := unix.Umask(0)
	t.Cleanup(func() { unix.Umask(old) })
	dir := testfs.Btrfs(t, mib)
	return &machine{t: t, pool: testfs.Open(t, dir), root: filepath.Join(dir, name)}
}

// files are paths with their content; "/" is a directory, "-> x" a link.
type files map[string]string

// release adds a version with this factory, of which paths start with etc or var. It
// returns the factory's directory.
func (m *machine) release(version string, factory files) string {
	m.t.Helper()
	usr := filepath.Join(m.pool.Name(), vendor+version)
	testfs.Run(m.t, "btrfs", "-q", "subvolume", "create", usr)
	m.write(filepath.Join(usr, "share/factory"), factory)
	return filepath.Join(usr, "share/factory")
}

func (m *machine) write(dir string, content files) {
	m.t.Helper()
	for name, text := range content {
		path := filepath.Join(dir, name)
		kind := os.MkdirAll(filepath.Dir(path), 0o755)
		target, link := strings.CutPrefix(text, "-> ")
		switch {
		case kind != nil:
		case text == "/":
			kind = os.MkdirAll(path, 0o755)
		case link:
			kind = os.Symlink(target, path)
		default:
			kind = os.WriteFile(path, []byte(text), 0o644)
		}
		if kind != nil {
			m.t.Fatal(kind)
		}
	}
}

// edit changes what is in the instance.
func (m *machine) edit(content files) {
	m.t.Helper()
	m.write(m.root, content)
}

func (m *machine) remove(names ...string) {
	m.t.Helper()
	for _, name := range names {
		if _, err := os.Lstat(m.path(name)); err != nil {
			m.t.Fatal(err)
		}
		if err := os.RemoveAll(m.path(name)); err != nil {
			m.t.Fatal(err)
		}
	}
}

func (m *machine) path(name string) string { return filepath.Join(m.root, name) }

// kept is a path of what the instance keeps of a version.
func (m *machine) store(version, name string) string {
	return m.path(".freshroot/" + vendor + version + "/" + name)
}

func (m *machine) target(version string) instance.Target {
	m.t.Helper()
	usr, err := subvol.Parse(vendor + version)
	if err != nil {
		m.t.Fatal(err)
	}
	golden := testfs.Open(m.t, filepath.Join(m.pool.Name(), vendor+version))
	return instance.Target{Pool: m.pool, Name: name, Usr: usr, Golden: golden, Kept: m.kept}
}

// boot ensures the instance for a version, and that nothing is left over.
func (m *machine) boot(version string) instance.Result {
	m.t.Helper()
	result, err := m.target(version).Ensure()
	if err != nil {
		m.t.Fatal(err)
	}
	m.clean()
	return result
}

func (m *machine) clean() {
	m.t.Helper()
	for _, dir := range []string{m.pool.Name() + "/.freshroot/staging/", m.path("etc/.freshroot.new"), m.path("var/.freshroot.new")} {
		if left, err := filepath.Glob(dir + "*"); len(left) > 0 && left[0] != dir || err != nil {
			m.t.Errorf("left over: %q, %v", left, err)
		}
	}
}

// tree reads a directory; our stamp is left out, empty directories are not.
func (m *machine) tree(dir string) files {
	m.t.Helper()
	got := files{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name := strings.TrimPrefix(path, dir+"/")
		delete(got, filepath.Dir(name)) // not empty
		switch {
		case name == ".freshroot":
		case d.IsDir():
			got[name] = "/"
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			got[name] = "-> " + target
			return err
		default:
			text, err := os.ReadFile(path)
			got[name] = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return got
}

func (m *machine) etc() files { m.t.Helper(); return m.tree(m.path("etc")) }

// read returns the content of a file of the instance.
func (m *machine) read(name string) string {
	m.t.Helper()
	text, err := os.ReadFile(m.path(name))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(text)
}

// exists says whether a path exists.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
