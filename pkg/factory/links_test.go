package factory

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/zoo"
)

// An inode is forgotten with its last name, and the memory it took is free.
func TestLinkBookForgets(t *testing.T) {
	b := linkBook{groups: map[fileID]*linkGroup{}}
	for ino := range uint64(100_000) {
		st := unix.Stat_t{Ino: ino, Nlink: 3}
		first := b.meet(&st)
		if first == nil || !b.record(first, strings.Repeat("p", 5000), fileID{1, ino}) {
			t.Fatalf("inode %d is refused", ino)
		}
		for range 2 {
			if want, got := (fileID{1, ino}), b.meet(&st).id; want != got {
				t.Fatalf("id %v, want %v", got, want)
			}
		}
	}
	if diff := cmp.Diff([]int{0, 0}, []int{len(b.groups), b.size}); diff != "" {
		t.Errorf("groups and size (-want +got):\n%s", diff)
	}
}

// Inodes whose other names never come fill the book up to its bound.
func TestLinkBookIsBounded(t *testing.T) {
	for _, length := range []int{0, 50, 100_000} {
		b := linkBook{groups: map[fileID]*linkGroup{}}
		for ino := range uint64(50_000) {
			if g := b.meet(&unix.Stat_t{Ino: ino, Nlink: 2}); g != nil {
				b.record(g, strings.Repeat("p", length), fileID{})
			}
		}
		if b.size > maxLinkBook || len(b.groups) < 9000 && length < 100 {
			t.Errorf("paths of %d bytes: size %d, %d groups", length, b.size, len(b.groups))
		}
	}
}

// A factory with more open hard links than can be remembered is copied all the
// same, the rest as files of their own.
func TestIntegrationTooManyHardLinks(t *testing.T) {
	need(t)
	src, dst := shared(t), shared(t)
	const files = 20_000
	for _, dir := range []string{"a", "b"} {
		subdir(t, src, dir)
	}
	for i := range files {
		name := filepath.Join(src, "a", fmt.Sprint(i))
		must(t, os.WriteFile(name, nil, 0o644))
		must(t, os.Link(name, filepath.Join(src, "b", fmt.Sprint(i))))
	}
	// One worker: two would meet both names of an inode at about the same time.
	got := mustCopy(t, dst, src, Options{Workers: 1})
	if got.Files+got.Links != 2*files || got.SplitLinks == 0 || got.Links < 9000 {
		t.Errorf("stats: %+v", got)
	}
	tree := zoo.Snapshot(t, dst)
	if diff := cmp.Diff(2*files+2, len(tree)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(got.Links, count(tree).Links); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
}

// The copy of a first name that was moved or replaced meanwhile is not linked
// to: the next name becomes a file of its own.
func TestIntegrationOpenCopy(t *testing.T) {
	need(t)
	top := shared(t)
	writeFile(t, filepath.Join(top, "a/b/file"), "copy")
	must(t, os.Symlink("b", filepath.Join(top, "a/link")))
	must(t, os.Symlink("file", filepath.Join(top, "a/b/link")))
	fd, err := unix.Open(top, dirFlags, 0)
	must(t, err)
	defer closeFD(fd)
	var st unix.Stat_t
	must(t, unix.Stat(filepath.Join(top, "a/b/file"), &st))
	c := &copier{root: &dir{dst: fd}}
	for _, test := range []struct {
		path string
		id   fileID
		want error
	}{
		{"a/b/file", idOf(&st), nil},
		{"a/b/file", fileID{uint64(st.Dev), st.Ino + 1}, errReplaced},
		{"a/b/gone", idOf(&st), errReplaced},
		{"gone/b/file", idOf(&st), errReplaced},
		{"a/b/file/file", idOf(&st), errReplaced},
		{"a/link/file", idOf(&st), errReplaced},
		{"a/b/link", idOf(&st), errReplaced},
		{"a/" + strings.Repeat("n", 256), idOf(&st), unix.ENAMETOOLONG},
	} {
		before := openFDs(t)
		got, err := c.openCopy(&linkGroup{path: test.path, id: test.id})
		if err != test.want {
			t.Errorf("%s: error %v, want %v", test.path, err, test.want)
		}
		if err == nil {
			closeFD(got)
		}
		if diff := cmp.Diff(before, openFDs(t)); diff != "" {
			t.Errorf("%s: descriptors (-before +after):\n%s", test.path, diff)
		}
	}
}
