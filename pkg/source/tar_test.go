package source_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/internal/zoo"
	"github.com/freshroot/freshroot/pkg/source"
)

// tarOf packs a directory with tar(1).
func tarOf(t testing.TB, dir string, options ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "archive")
	args := append([]string{
		"-C", dir, "--format=posix", "--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner",
		"--sparse", "-cf", file,
	}, options...)
	testfs.Run(t, "tar", append(args, ".")...)
	return file
}

func TestIntegrationTar(t *testing.T) {
	dir := makeZoo(t)
	want := zoo.Snapshot(t, dir)
	for _, option := range []string{"--no-auto-compress", "--gzip", "--zstd", "--xz", "--bzip2"} {
		t.Run(option, func(t *testing.T) {
			got, stats, err := unpack(t, tarOf(t, dir, option), source.Options{})
			must(t, err)
			zoo.Equal(t, want, zoo.Snapshot(t, got))
			t.Logf("%+v", stats)
		})
	}
}

func TestIntegrationPack(t *testing.T) {
	dir := makeZoo(t)
	file := filepath.Join(t.TempDir(), "packed")
	pack(t, dir, file)
	want := withoutAtime(zoo.Snapshot(t, dir))
	got, _, err := unpack(t, file, source.Options{})
	must(t, err)
	zoo.Equal(t, want, withoutAtime(zoo.Snapshot(t, got)))

	again := filepath.Join(t.TempDir(), "again")
	pack(t, dir, again)
	testfs.Run(t, "cmp", file, again)
}

// TestIntegrationOpenPacked has device nodes in a directory, and nowhere else.
func TestIntegrationOpenPacked(t *testing.T) {
	testfs.Root(t)
	m := &zoo.Maker{T: t, Dir: t.TempDir()}
	m.Node("null", unix.S_IFCHR|0o640, 1, 3)
	m.Node("disk", unix.S_IFBLK|0o660, 259, 70000)
	file, into := filepath.Join(t.TempDir(), "packed"), filepath.Join(testfs.Btrfs(t, 256), "unpacked")
	pack(t, m.Dir, file)
	if _, _, err := unpack(t, file, source.Options{}); err == nil || !strings.Contains(err.Error(), "is a device node") {
		t.Errorf("as a tar: %v", err)
	}
	info, err := os.Stat(file)
	must(t, errors.Join(err, os.Mkdir(into, 0o700)))
	s, err := source.OpenPacked(file, info.Size())
	must(t, err)
	defer s.Close()
	_, err = s.Unpack(t.Context(), testfs.Open(t, into), source.Options{})
	must(t, err)
	zoo.Equal(t, withoutAtime(zoo.Snapshot(t, m.Dir)), withoutAtime(zoo.Snapshot(t, into)))
}

func pack(t testing.TB, dir, file string) {
	t.Helper()
	f, err := os.Create(file)
	must(t, err)
	defer f.Close()
	must(t, source.Pack(t.Context(), f, testfs.Open(t, dir)))
	must(t, f.Close())
}

// withoutAtime forgets the access times, which Pack does too.
func withoutAtime(tree map[string]zoo.Inode) map[string]zoo.Inode {
	for name, n := range tree {
		n.Atime = ""
		tree[name] = n
	}
	return tree
}

// TestIntegrationPackLeavesOut packs what no tar has, and what no tree should have.
func TestIntegrationPackLeavesOut(t *testing.T) {
	testfs.Root(t)
	m := &zoo.Maker{T: t, Dir: t.TempDir()}
	m.File("proc/version", "the kernel's", 0o444)
	m.Mkdir("dev", 0o755)
	m.Node("dev/null", unix.S_IFCHR|0o666, 1, 3)
	m.Node("socket", unix.S_IFSOCK|0o666, 0, 0)
	m.File("usr/dev/file", "not the kernel's", 0o644)
	m.Xattr("usr", "user.a%b", "c")
	file := filepath.Join(t.TempDir(), "packed")
	pack(t, m.Dir, file)
	want := "./\ndev/\nproc/\nusr/\nusr/dev/\nusr/dev/file\n"
	if got := testfs.Run(t, "tar", "-tf", file); got != want {
		t.Errorf("packed %q, want %q", got, want)
	}
	into := t.TempDir()
	testfs.Run(t, "tar", "-C", into, "--xattrs", "--xattrs-include=*", "-xf", file)
	if got := zoo.Snapshot(t, into)["usr"].Xattrs["user.a%b"]; got != "c" {
		t.Errorf("tar unpacked %q", got)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := source.Pack(ctx, io.Discard, testfs.Open(t, m.Dir)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if err := source.Pack(t.Context(), failing{}, testfs.Open(t, m.Dir)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v", err)
	}
}

// failing is a reader's end that is gone.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestIntegrationPackOthersFiles packs what may be read and belongs to somebody else, who alone
// may keep its access times.
func TestIntegrationPackOthersFiles(t *testing.T) {
	testfs.Root(t)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), []byte("text"), 0o644))
	from := testfs.Open(t, dir)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	must(t, unix.Setfsuid(65534))
	err := source.Pack(t.Context(), io.Discard, from)
	must(t, unix.Setfsuid(0))
	must(t, err)
}
