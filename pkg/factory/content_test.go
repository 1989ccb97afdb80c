package factory

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/zoo"
)

// On one btrfs the copy takes no room: all its extents are the factory's. That
// tmpfs is mounted in the target does not change it for the rest.
func TestIntegrationReflink(t *testing.T) {
	need(t, "mkfs.btrfs", "losetup", "filefrag")
	pool := newBtrfs(t)
	usr, root := filepath.Join(pool, "usr"), filepath.Join(pool, "root")
	run(t, "btrfs", "subvolume", "create", usr)
	run(t, "btrfs", "subvolume", "create", root)
	big := strings.Repeat("0123456789abcdef", 1<<18)
	for _, name := range []string{"1st", "a/tmpfs/file", "z/big"} { // in this order
		writeFile(t, filepath.Join(usr, name), big)
	}
	mountAt(t, filepath.Join(root, "a/tmpfs"), "tmpfs", "factory-test", "")
	mustCopy(t, root, usr, Options{Workers: 1})
	allShared(t, filepath.Join(root, "1st"))
	allShared(t, filepath.Join(root, "z/big"))
	zoo.Equal(t, zoo.WithoutBlocks(zoo.Snapshot(t, filepath.Join(usr, "a/tmpfs"))),
		zoo.WithoutBlocks(zoo.Snapshot(t, filepath.Join(root, "a/tmpfs"))))
}

// allShared asks filefrag, which asks the file system.
func allShared(t *testing.T, path string) {
	t.Helper()
	unix.Sync()
	out := run(t, "filefrag", "-v", path)
	extents := 0
	for line := range strings.Lines(out) {
		if strings.Contains(line, "..") {
			extents++
			if !strings.Contains(line, "shared") {
				t.Errorf("an extent of its own: %s", line)
			}
		}
	}
	if extents == 0 {
		t.Errorf("no extents:\n%s", out)
	}
}

// Where cloning fails for good, it is not tried again; where it fails for one
// file, the next is cloned.
func TestIntegrationClone(t *testing.T) {
	need(t, "mkfs.btrfs", "losetup", "chattr")
	pool, tmp := newBtrfs(t), shared(t)
	writeFile(t, filepath.Join(pool, "nocow"), "")
	run(t, "chattr", "+C", filepath.Join(pool, "nocow"))
	for _, name := range []string{"nocow", "plain"} {
		writeFile(t, filepath.Join(pool, name), strings.Repeat("x", 8192))
	}
	writeFile(t, filepath.Join(tmp, "plain"), "x")
	for _, test := range []struct {
		src, dst       string
		cloned, noMore bool
	}{
		{pool + "/plain", pool, true, false},
		{pool + "/nocow", pool, false, false},
		{pool + "/plain", tmp, false, true},
		{tmp + "/plain", pool, false, true},
		{tmp + "/plain", tmp, false, true},
	} {
		from, err := unix.Open(test.src, fileFlags, 0)
		must(t, err)
		to, err := unix.Open(filepath.Join(test.dst, "copy"), unix.O_CREAT|unix.O_WRONLY, 0o600)
		must(t, err)
		l := &leaf{dir: &dir{fs: &targetFS{}}, src: handle{fd: from}}
		cloned, err := l.clone(to)
		must(t, err)
		closeFD(from)
		closeFD(to)
		want, got := []bool{test.cloned, test.noMore}, []bool{cloned, l.dir.fs.noClone.Load()}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s to %s: cloned, no more (-want +got):\n%s", test.src, test.dst, diff)
		}
		must(t, unix.Unlink(filepath.Join(test.dst, "copy")))
	}
}

// A file that got shorter since it was looked at is not passed off as whole.
func TestIntegrationShrunk(t *testing.T) {
	need(t)
	top := shared(t)
	writeFile(t, filepath.Join(top, "src"), "short")
	from, err := unix.Open(filepath.Join(top, "src"), fileFlags, 0)
	must(t, err)
	defer closeFD(from)
	to, err := unix.Open(filepath.Join(top, "dst"), unix.O_CREAT|unix.O_WRONLY, 0o600)
	must(t, err)
	defer closeFD(to)
	w := newCopier(nil).newWorker()
	if diff := cmp.Diff("read: unexpected EOF", w.span(to, from, 6).Error()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}
