package factory

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/zoo"
)

// A copy has everything that cp -a copies, whatever the umask and the workers.
func TestIntegrationCopyLikeCp(t *testing.T) {
	need(t, "cp", "mkfs.btrfs", "losetup", "setfacl", "setcap")
	for _, test := range []struct {
		name     string
		src, dst func(testing.TB) string
	}{
		{"tmpfs to tmpfs", shared, shared},
		{"btrfs to tmpfs", newBtrfs, shared},
		{"tmpfs to btrfs", shared, newBtrfs},
		{"ext4 to btrfs", newExt4, newBtrfs},
	} {
		t.Run(test.name, func(t *testing.T) {
			src := subdir(t, test.src(t), "factory")
			zoo.Make(t, src)
			before := zoo.Snapshot(t, src)
			dst := test.dst(t)
			copies := copiesOf(t, src, dst, count(before))
			zoo.Equal(t, before, zoo.Snapshot(t, src))
			cpTree(t, subdir(t, dst, "cp"), src)
			want := zoo.Snapshot(t, filepath.Join(dst, "cp"))
			for _, copied := range copies {
				zoo.Equal(t, want, zoo.Snapshot(t, copied))
			}
			zoo.Equal(t, zoo.WithoutBlocks(before), zoo.WithoutBlocks(want))
		})
	}
}

func shared(t testing.TB) string  { return newTmpfs(t, "mode=0755") }
func newExt4(t testing.TB) string { return newImage(t, "ext4", "-b", "4096") }

// copiesOf copies src with every umask and number of workers that matters.
func copiesOf(t *testing.T, src, dst string, want Stats) []string {
	var copies []string
	for _, mask := range []int{0, 0o022, 0o077} {
		for _, workers := range []int{0, 1, 2, 8} {
			setUmask(t, 0)
			copied := subdir(t, dst, fmt.Sprintf("%o-%d", mask, workers))
			unix.Umask(mask)
			stats := mustCopy(t, copied, src, Options{Workers: workers})
			unix.Umask(0)
			if diff := cmp.Diff(want, stats); diff != "" {
				t.Errorf("stats (-want +got):\n%s", diff)
			}
			copies = append(copies, copied)
		}
	}
	return copies
}

// Random trees say what the zoo forgot.
func TestIntegrationRandomTreesLikeCp(t *testing.T) {
	need(t, "cp")
	setUmask(t, 0)
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dir := shared(t)
			src := subdir(t, dir, "factory")
			zoo.Random(t, src, seed)
			one, four := subdir(t, dir, "1"), subdir(t, dir, "4")
			stats := mustCopy(t, one, src, Options{Workers: 1})
			more := mustCopy(t, four, src, Options{Workers: 4})
			if diff := cmp.Diff(stats, more); diff != "" {
				t.Errorf("stats of 1 and 4 workers differ:\n%s", diff)
			}
			cpTree(t, subdir(t, dir, "cp"), src)
			want := zoo.Snapshot(t, filepath.Join(dir, "cp"))
			zoo.Equal(t, want, zoo.Snapshot(t, one))
			zoo.Equal(t, want, zoo.Snapshot(t, four))
		})
	}
}

// A file system that does not tell types in its directories is asked for them.
func TestIntegrationUnknownTypes(t *testing.T) {
	need(t, "mkfs.ext4", "losetup", "cp", "setfacl", "setcap")
	src := subdir(t, newImage(t, "ext4", "-b", "4096", "-O", "^filetype"), "factory")
	zoo.Make(t, src)
	dst := shared(t)
	mustCopy(t, subdir(t, dst, "ours"), src, Options{})
	cpTree(t, subdir(t, dst, "cp"), src)
	zoo.Equal(t, zoo.Snapshot(t, filepath.Join(dst, "cp")), zoo.Snapshot(t, filepath.Join(dst, "ours")))
}

// What a target cannot store is counted, not fatal: ramfs has no attributes.
func TestIntegrationLostXattrs(t *testing.T) {
	need(t)
	src := shared(t)
	m := &zoo.Maker{T: t, Dir: src}
	m.File("etc/a", "content", 0o604)
	m.Xattr("etc/a", "user.one", "1")
	m.Xattr("etc/a", "trusted.two", "2")
	m.Xattr("etc", "user.three", "3")
	m.Age()
	dst := mountAt(t, t.TempDir(), "ramfs", "factory-test", "")
	got := mustCopy(t, dst, src, Options{})
	want := Stats{Dirs: 1, Files: 1, Bytes: 7, LostXattrs: 3}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
	tree := zoo.WithoutBlocks(zoo.Snapshot(t, src))
	for name, n := range tree {
		n.Xattrs = nil
		tree[name] = n
	}
	zoo.Equal(t, tree, zoo.WithoutBlocks(zoo.Snapshot(t, dst)))
}

// Names at the top can be left out; the same names below are copied.
func TestIntegrationSkip(t *testing.T) {
	need(t)
	src, dst := shared(t), shared(t)
	for _, name := range []string{"etc/var/a", "var/a", "skip"} {
		writeFile(t, filepath.Join(src, name), name)
	}
	skip := func(name string) bool { return name == "var" || name == "skip" }
	mustCopy(t, dst, src, Options{Skip: skip})
	names := slices.Sorted(maps.Keys(zoo.Snapshot(t, dst)))
	if diff := cmp.Diff([]string{"etc", "etc/var", "etc/var/a"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// Copying leaves no trace in the access times of the factory's files and
// directories, on a file system that keeps them strictly.
func TestIntegrationNoAccessTimes(t *testing.T) {
	need(t)
	src, dst := newTmpfs(t, ""), shared(t)
	must(t, unix.Mount("", src, "", unix.MS_REMOUNT|unix.MS_STRICTATIME, ""))
	m := &zoo.Maker{T: t, Dir: src}
	m.File("etc/a", "content", 0o644)
	m.Age()
	for range 2 {
		mustCopy(t, dst, src, Options{})
	}
	for _, name := range []string{"etc", "etc/a"} {
		var from, to unix.Stat_t
		must(t, unix.Lstat(m.Path(name), &from))
		must(t, unix.Lstat(filepath.Join(dst, name), &to))
		if diff := cmp.Diff(stamp(to.Atim), stamp(from.Atim)); diff != "" {
			t.Errorf("%s (-copy +factory):\n%s", name, diff)
		}
	}
}

// CopyAttributes gives a directory all that the factory's top has.
func TestIntegrationCopyAttributes(t *testing.T) {
	need(t, "setfacl")
	src, dst := shared(t), shared(t)
	m := &zoo.Maker{T: t, Dir: src}
	m.Mkdir("top", 0o2750)
	m.Chown("top", 7, 8)
	m.Xattr("top", "user.x", "y")
	run(t, "setfacl", "-m", "u:9:rx,d:u:9:rwx", m.Path("top"))
	m.Age()
	from, err := os.Open(m.Path("top"))
	must(t, err)
	defer from.Close()
	to, err := os.Open(subdir(t, dst, "top"))
	must(t, err)
	defer to.Close()
	must(t, CopyAttributes(to, from))
	zoo.Equal(t, zoo.Snapshot(t, src), zoo.Snapshot(t, dst))
}
