package factory

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/zoo"
)

// deep makes directories of one name within each other, and returns an open
// descriptor of the last. Paths to it may be longer than PATH_MAX.
func deep(t testing.TB, dir, name string, levels int) int {
	t.Helper()
	fd, err := unix.Open(dir, dirFlags, 0)
	must(t, err)
	for range levels {
		must(t, unix.Mkdirat(fd, name, 0o755))
		fd = descend(t, fd, name)
	}
	t.Cleanup(func() { closeFD(fd) })
	return fd
}

func descend(t testing.TB, fd int, name string) int {
	t.Helper()
	next, err := unix.Openat(fd, name, dirFlags, 0)
	must(t, err)
	closeFD(fd)
	return next
}

// 300 levels of 255 bytes are 76 kB of path, 19 times PATH_MAX. A hard link at
// the bottom is found again through all of them.
func TestIntegrationDeep(t *testing.T) {
	need(t)
	const levels = 300
	name := strings.Repeat("d", 255)
	for _, workers := range []int{1, 8} {
		src, dst := shared(t), shared(t)
		bottom := deep(t, src, name, levels)
		fd, err := unix.Openat(bottom, "one", unix.O_CREAT|unix.O_WRONLY, 0o640)
		must(t, err)
		closeFD(fd)
		must(t, unix.Linkat(bottom, "one", bottom, "two", 0))
		got := mustCopy(t, dst, src, Options{Workers: workers})
		want := Stats{Dirs: levels, Files: 1, Links: 1}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
		at, err := unix.Open(dst, dirFlags, 0)
		must(t, err)
		for range levels {
			at = descend(t, at, name)
		}
		var st unix.Stat_t
		must(t, unix.Fstatat(at, "two", &st, 0))
		closeFD(at)
		if st.Nlink != 2 || st.Mode != unix.S_IFREG|0o640 {
			t.Errorf("the link at the bottom: nlink %d, mode %o", st.Nlink, st.Mode)
		}
	}
}

// Beyond the limit there is a clear error, and no descriptor is left open.
func TestIntegrationTooDeep(t *testing.T) {
	need(t)
	for _, workers := range []int{1, 8} {
		for levels, want := range map[int]string{
			maxDepth: "",
			maxDepth + 1: `copy "` + strings.Repeat("d/", 64) + "..." +
				strings.Repeat("/d", 64) + `": nested deeper than 500 directories`,
		} {
			src, dst := shared(t), shared(t)
			deep(t, src, "d", levels)
			before := openFDs(t)
			_, err := copyTree(t, dst, src, Options{Workers: workers})
			got := ""
			if err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d levels (-want +got):\n%s", levels, diff)
			}
			if diff := cmp.Diff(before, openFDs(t)); diff != "" {
				t.Errorf("descriptors (-before +after):\n%s", diff)
			}
		}
	}
}

func openFDs(t testing.TB) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(fds)
}

// Links of the factory are copied, never followed; a directory of any size is
// read in pieces.
func TestIntegrationHostileFactory(t *testing.T) {
	need(t, "cp")
	setUmask(t, 0)
	dir := shared(t)
	src, outside := subdir(t, dir, "src"), sentinel(t, dir)
	m := &zoo.Maker{T: t, Dir: src}
	m.Symlink("b", "a")
	m.Symlink("a", "b")
	m.Symlink(".", "self")
	m.Symlink("..", "up")
	m.Symlink(outside+"/etc", "etc")
	m.Symlink("/", "root")
	m.Mkdir("many", 0o755)
	for i := range 10_000 {
		m.File(fmt.Sprintf("many/%0100d", i), "x", 0o644)
	}
	m.Node("mem", unix.S_IFCHR|0o600, 1, 1)
	m.Age()
	before := zoo.Snapshot(t, outside)
	for _, workers := range []int{1, 2, 8} {
		dst := subdir(t, dir, fmt.Sprint(workers))
		mustCopy(t, dst, src, Options{Workers: workers})
		zoo.Equal(t, zoo.Snapshot(t, src), zoo.Snapshot(t, dst))
	}
	zoo.Equal(t, before, zoo.Snapshot(t, outside))
}

// An attribute that cannot be read makes the copy fail, with its name: the
// capability is malformed on the disk, and the kernel refuses to show it.
func TestIntegrationUnreadableXattr(t *testing.T) {
	need(t, "mkfs.ext4", "losetup", "debugfs")
	image := makeImage(t, "ext4", "-b", "4096")
	seed := filepath.Join(t.TempDir(), "seed")
	writeFile(t, seed, "content")
	run(t, "debugfs", "-w", "-R", "write "+seed+" ping", image)
	run(t, "debugfs", "-w", "-R", "ea_set ping security.capability junk", image)
	dst := shared(t)
	_, err := copyTree(t, dst, mountImage(t, "ext4", image), Options{})
	want := `copy "ping" (7 bytes): xattr "security.capability": invalid argument`
	if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	if _, err := os.Lstat(filepath.Join(dst, "ping")); !os.IsNotExist(err) {
		t.Errorf("the file without its attribute stayed: %v", err)
	}
}

// A target below the factory would be copied into itself for ever.
func TestIntegrationIntoItself(t *testing.T) {
	need(t)
	src := shared(t)
	dst := subdir(t, src, "a/b/target")
	_, err := copyTree(t, dst, src, Options{})
	want := `copy "a/b/target": the target lies in the factory`
	if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

// Somebody who may write to an existing directory of the target swaps what the
// copy makes there, as fast as possible, for links to the outside.
func TestIntegrationSwappedMeanwhile(t *testing.T) {
	need(t)
	dir := shared(t)
	src, outside := subdir(t, dir, "src"), sentinel(t, dir)
	m := &zoo.Maker{T: t, Dir: src}
	for i := range 20 {
		m.File(fmt.Sprintf("d%d/etc/passwd", i), "new", 0o666)
		m.File(fmt.Sprintf("d%d/dir/file", i), "new", 0o666)
		m.File(fmt.Sprintf("d%d/file", i), "new", 0o666)
		m.Symlink("/target", fmt.Sprintf("d%d/link", i))
		m.Chown(fmt.Sprintf("d%d/link", i), 1000, 1000)
		m.Node(fmt.Sprintf("d%d/fifo", i), unix.S_IFIFO|0o666, 0, 0)
		m.Chown(fmt.Sprintf("d%d/fifo", i), 1000, 1000)
	}
	m.Age()
	before, fds := zoo.Snapshot(t, outside), openFDs(t)
	for round := range 30 {
		dst := subdir(t, dir, fmt.Sprint("dst", round))
		for i := range 20 {
			subdir(t, dst, fmt.Sprint("d", i))
		}
		stop := attack(dst, outside)
		mustCopy(t, dst, src, Options{Workers: 1 + round%3})
		stop()
		// The attackers' names of what is outside would count as its links.
		must(t, os.RemoveAll(dst))
	}
	zoo.Equal(t, before, zoo.Snapshot(t, outside))
	if diff := cmp.Diff(fds, openFDs(t)); diff != "" {
		t.Errorf("descriptors (-before +after):\n%s", diff)
	}
}

// A directory that is not as it was made was put there by somebody else.
func TestIntegrationClaim(t *testing.T) {
	need(t)
	top := shared(t)
	for i, test := range []struct {
		uid, gid int
		mode     uint32
		want     error
	}{
		{0, 0, 0o700, nil},
		{0, 50, 0o2700, nil}, // inherited the group
		{1000, 0, 0o700, errReplaced},
		{0, 0, 0o755, errReplaced},
		{0, 0, 0o701, errReplaced},
	} {
		path := subdir(t, top, fmt.Sprint(i))
		must(t, os.Chown(path, test.uid, test.gid))
		must(t, unix.Chmod(path, test.mode))
		fd, err := unix.Open(path, dirFlags, 0)
		must(t, err)
		if err := newCopier(nil).newWorker().claim(&dir{dst: fd}); err != test.want {
			t.Errorf("%+v: error %v", test, err)
		}
		got, err := handle{fd: fd}.perm()
		must(t, err)
		closeFD(fd)
		if test.want == nil && got != (perm{0, 0, 0o700}) {
			t.Errorf("%+v: became %+v", test, got)
		}
	}
}

// What was replaced is reported; other errors are errors.
func TestReplacedIsConflict(t *testing.T) {
	w := newCopier(nil).newWorker()
	d := &dir{name: "etc", parent: &dir{}}
	for _, err := range []error{errReplaced, fmt.Errorf("create: %w", errReplaced)} {
		must(t, w.leaveAlone(d, "x", unix.S_IFDIR, err))
	}
	line := `"etc/x": replaced while it was copied, left alone`
	if diff := cmp.Diff(Stats{Kept: 2, Conflicts: []string{line, line}}, w.Stats); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
	if err := w.leaveAlone(d, "x", unix.S_IFDIR, unix.EIO); err != unix.EIO {
		t.Errorf("error %v", err)
	}
}

// attack replaces entries by links to what is outside, or by further names of
// it, until the returned function is called.
func attack(dst, outside string) (stop func()) {
	swaps := map[string]func(path string) error{
		"etc":  func(path string) error { return os.Symlink(outside+"/etc", path) },
		"dir":  func(path string) error { return os.Mkdir(path, 0o777) },
		"file": func(path string) error { return os.Symlink(outside+"/file", path) },
		"fifo": func(path string) error { return os.Link(outside+"/file", path) },
		"link": func(path string) error { return os.Link(outside+"/link", path) },
	}
	var done atomic.Bool
	var attackers sync.WaitGroup
	for name, swap := range swaps {
		attackers.Go(func() {
			for i := 0; !done.Load(); i = (i + 1) % 20 {
				path := filepath.Join(dst, fmt.Sprint("d", i), name)
				if os.Rename(path, path+".moved") == nil { // else not there yet
					_ = swap(path) // lost to the copy: so be it
				}
			}
		})
	}
	return func() {
		done.Store(true)
		attackers.Wait()
	}
}
