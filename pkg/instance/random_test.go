package instance_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/merge"
)

// grow fills a directory with things of all kinds. The few names make sure that two
// trees have many in common, of different types.
func grow(t *testing.T, dir string, r *rand.Rand) {
	t.Helper()
	dirs := []string{dir}
	for range 60 {
		path := filepath.Join(dirs[r.IntN(len(dirs))], string('a'+rune(r.IntN(6))))
		kind, err := r.IntN(8), error(nil)
		if exists(path) {
			continue // a write to a FIFO would wait
		}
		switch kind {
		case 0, 1:
			err = os.Mkdir(path, 0o755)
			dirs = append(dirs, path)
		case 2:
			err = os.Symlink(fmt.Sprint("../", r.IntN(3)), path)
		case 3:
			err = unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(1, r.Uint32N(3))))
		case 4:
			err = unix.Mkfifo(path, 0o600)
		default:
			err = os.WriteFile(path, []byte(strings.Repeat(fmt.Sprint(r.IntN(3)), r.IntN(2)*5000+1)), 0o644)
		}
		if err := errors.Join(err, vary(path, r)); err != nil {
			t.Fatal(err)
		}
	}
}

// vary gives some things another owner, mode or attribute. The owner goes first, for it
// takes the set-id bits away.
func vary(path string, r *rand.Rand) (err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if r.IntN(4) == 0 {
		err = os.Lchown(path, r.IntN(2)*1000, r.IntN(2)*1000)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return err
	}
	if r.IntN(4) == 0 {
		modes := []uint32{0o600, 0o700, 0o4755, 0o1777}
		err = errors.Join(err, unix.Chmod(path, modes[r.IntN(len(modes))]))
	}
	if r.IntN(4) == 0 {
		err = errors.Join(err, unix.Setxattr(path, fmt.Sprint("trusted.", r.IntN(2)), []byte{byte(r.IntN(2))}, 0))
	}
	return err
}

// inventory tells all that counts of a tree, by other means than the package's.
func inventory(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, dir)
		if err != nil || name == "/.freshroot" {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		content := ""
		switch d.Type() {
		case 0:
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = fmt.Sprintf("%d %.3s", len(text), text)
		case fs.ModeSymlink:
			content, err = os.Readlink(path)
		}
		all[name] = fmt.Sprintf("%o %d:%d %x %s %s", st.Mode, st.Uid, st.Gid, st.Rdev, content, xattrs(t, path))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func xattrs(t *testing.T, path string) (all []string) {
	t.Helper()
	buf := make([]byte, 4096)
	n, err := unix.Llistxattr(path, buf)
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		value := make([]byte, 4096)
		if n, err := unix.Lgetxattr(path, name, value); err == nil {
			all = append(all, fmt.Sprintf("%s=%x", name, value[:n]))
		}
	}
	slices.Sort(all)
	return all
}

// TestIntegrationUpdateLaws updates any tree to any other: an /etc that nobody touched
// becomes the new factory, one that somebody changed stays if the factory does, and a
// rollback brings back what was there.
func TestIntegrationUpdateLaws(t *testing.T) {
	m := newMachine(t, 256)
	for seed := range uint64(12) {
		versions := make([]string, 3)
		for i := range versions {
			versions[i] = fmt.Sprintf("%d.%d", seed, i)
			dir := m.release(versions[i], files{"etc/always": "1"}) + "/etc"
			grow(t, dir, rand.New(rand.NewPCG(seed, uint64(min(i, 1))))) // the last two are the same
		}
		m.boot(versions[0])
		before := inventory(t, m.path("etc"))
		if result := m.boot(versions[1]); len(result.Conflicts) > 0 {
			t.Errorf("seed %d: conflicts %q", seed, result.Conflicts)
		}
		theirs := inventory(t, filepath.Join(m.pool.Name(), vendor+versions[1], "share/factory/etc"))
		if diff := cmp.Diff(theirs, inventory(t, m.path("etc"))); diff != "" {
			t.Errorf("seed %d: follows (-factory +got):\n%s", seed, diff)
		}
		m.change(rand.New(rand.NewPCG(seed, 4)))
		mine := inventory(t, m.path("etc"))
		m.boot(versions[2])
		if diff := cmp.Diff(mine, inventory(t, m.path("etc"))); diff != "" {
			t.Errorf("seed %d: stays (-mine +got):\n%s", seed, diff)
		}
		m.boot(versions[1])
		if diff := cmp.Diff(mine, inventory(t, m.path("etc"))); diff != "" {
			t.Errorf("seed %d: back once (-mine +got):\n%s", seed, diff)
		}
		m.boot(versions[0])
		if diff := cmp.Diff(before, inventory(t, m.path("etc"))); diff != "" {
			t.Errorf("seed %d: back twice (-before +got):\n%s", seed, diff)
		}
	}
}

// change deletes, changes and adds.
func (m *machine) change(r *rand.Rand) {
	m.t.Helper()
	etc := filepath.Join(m.root, "etc")
	paths, err := filepath.Glob(etc + "/[a-z]*") // not our stamp
	if err != nil {
		m.t.Fatal(err)
	}
	for _, path := range paths {
		switch r.IntN(4) {
		case 0:
			err = os.RemoveAll(path)
		case 1:
			err = errors.Join(os.RemoveAll(path), os.WriteFile(path, []byte("mine"), 0o600))
		case 2:
			err = vary(path, r)
		}
		if err != nil {
			m.t.Fatal(err)
		}
	}
	grow(m.t, etc, r)
}

// TestIntegrationPreviewLaws sees that after an update nothing but people's own changes
// is left to tell, for any trees.
func TestIntegrationPreviewLaws(t *testing.T) {
	m := newMachine(t, 256)
	for seed := range uint64(12) {
		old, now := fmt.Sprintf("%d.0", seed), fmt.Sprintf("%d.1", seed)
		for i, version := range []string{old, now} {
			grow(t, m.release(version, files{"etc/always": "1"})+"/etc", rand.New(rand.NewPCG(seed, uint64(i)+5)))
		}
		m.boot(old)
		m.change(rand.New(rand.NewPCG(seed, 7)))
		preview, err := m.target(now).Preview(func(merge.Action) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m.boot(now), preview); diff != "" {
			t.Errorf("seed %d (-done +preview):\n%s", seed, diff)
		}
		err = instance.Diff(testfs.Open(t, filepath.Join(m.pool.Name(), vendor+now, "share/factory/etc")),
			testfs.Open(t, m.path("etc")), func(a merge.Action) error {
				if !a.Op.Own() {
					t.Errorf("seed %d: %s %q is left to be done", seed, a.Op, a.Path)
				}
				return nil
			})
		if err != nil {
			t.Error(err)
		}
	}
}
