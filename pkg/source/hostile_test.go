package source_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/internal/zoo"
	"github.com/freshroot/freshroot/pkg/source"
)

// entry is an entry of a tar.
type entry struct {
	tar.Header
	content string
}

func file(name, content string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}, content}
}

func dir(name string, mode int64) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: mode}, ""}
}

// other is an entry without content: a link, with its target, or a node.
func other(kind byte, name, target string) entry {
	return entry{tar.Header{Name: name, Typeflag: kind, Mode: 0o666, Linkname: target, Devmajor: 1, Devminor: 3}, ""}
}

func makeTar(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		e.ModTime = time.Unix(1e9, 0)
		must(t, w.WriteHeader(&e.Header))
		_, err := w.Write([]byte(e.content))
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

// put writes a source into a file.
func put(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "source")
	must(t, os.WriteFile(path, content, 0o600))
	return path
}

// list tells what a tree has: content, targets, "/" for directories.
func list(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for name, n := range zoo.Snapshot(t, dir) {
		switch n.Kind {
		case "regular file":
			content, err := os.ReadFile(filepath.Join(dir, name))
			must(t, err)
			found[name] = string(content)
		case "symlink":
			found[name] = "-> " + n.Target
		case "directory":
			found[name] = "/"
		default:
			found[name] = n.Kind
		}
	}
	return found
}

func TestIntegrationTarRefuses(t *testing.T) {
	owner := file("f", "")
	owner.Uid = 1 << 32
	acl := file("f", "")
	acl.PAXRecords = map[string]string{"SCHILY.acl.access": "user::rw-\nuser:ada:rw-\n"}
	tests := []struct {
		name, want string
		entries    []entry
	}{
		{"absolute", "is absolute", []entry{file("/outside/new", "x")}},
		{"up", `has a ".."`, []entry{file("../outside/new", "x")}},
		{"up in the middle", `has a ".."`, []entry{dir("a", 0o755), file("a/../../outside/new", "x")}},
		{"a directory up", `has a ".."`, []entry{dir("../outside", 0o777)}},
		{"a hard link up", `has a ".."`, []entry{other(tar.TypeLink, "a", "../outside/secret")}},
		{"an absolute hard link", "is absolute", []entry{other(tar.TypeLink, "a", "/outside/secret")}},
		{"a hard link to nothing", "no such file", []entry{other(tar.TypeLink, "a", "b")}},
		{"a hard link to a directory", "not permitted", []entry{dir("b", 0o755), other(tar.TypeLink, "a", "b")}},
		{"a hard link through a link", "no such file", []entry{
			other(tar.TypeSymlink, "l", "../outside"), other(tar.TypeLink, "a", "l/secret"),
		}},
		{"a device", "is a device node outside of dev", []entry{other(tar.TypeChar, "null", "")}},
		{"a block device", "is a device node", []entry{other(tar.TypeBlock, "usr/sda", "")}},
		{"behind a loop", "too many levels", []entry{other(tar.TypeSymlink, "l", "l"), file("l/a", "x")}},
		{"behind a file", "not a directory", []entry{file("f", "x"), file("f/a", "x")}},
		{"behind a link to nothing", "a link to nothing", []entry{other(tar.TypeSymlink, "l", "b"), file("l/a", "x")}},
		{"the top", "at the top", []entry{file(".", "x")}},
		{"an owner", "none above", []entry{owner}},
		{"an ACL by name", `names "ada"`, []entry{acl}},
		{"a volume", "of type 'M'", []entry{other('M', "f", "")}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := &zoo.Maker{T: t, Dir: testfs.Tmpfs(t, "size=4m")}
			m.File("outside/secret", "secret", 0o600)
			m.Mkdir("tree", 0o755)
			m.Age()
			before := zoo.Snapshot(t, m.Path("outside"))
			_, err := unpackInto(t, put(t, makeTar(t, test.entries...)), m.Path("tree"), source.Options{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			zoo.Equal(t, before, zoo.Snapshot(t, m.Path("outside")))
		})
	}
}

func TestIntegrationTarTakes(t *testing.T) {
	tests := []struct {
		name    string
		entries []entry
		want    map[string]string
	}{
		{"links to anywhere", []entry{
			other(tar.TypeSymlink, "a", "/outside/secret"), other(tar.TypeSymlink, "b", "../../.."),
		}, map[string]string{"a": "-> /outside/secret", "b": "-> ../../.."}},
		{"a name through an absolute link", []entry{
			dir("x", 0o755), other(tar.TypeSymlink, "var/x", "/x"), file("var/x/a", "1"),
		}, map[string]string{"x": "/", "x/a": "1", "var": "/", "var/x": "-> /x"}},
		{"a name through a link up", []entry{
			dir("x", 0o755), other(tar.TypeSymlink, "l", "../../x"), file("l/a", "1"),
		}, map[string]string{"x": "/", "x/a": "1", "l": "-> ../../x"}},
		{"a file in the place of a link", []entry{
			other(tar.TypeSymlink, "a", "/outside/secret"), file("a", "1"),
		}, map[string]string{"a": "1"}},
		{"a directory in the place of a link", []entry{
			other(tar.TypeSymlink, "a", "/outside"), dir("a", 0o755), file("a/b", "1"),
		}, map[string]string{"a": "/", "a/b": "1"}},
		{"a link in the place of a directory", []entry{
			file("a/b", "1"), other(tar.TypeSymlink, "a", "/outside"),
		}, map[string]string{"a": "-> /outside"}},
		{"twice", []entry{file("a", "1"), file("b", "2"), file("a", "3")}, map[string]string{"a": "3", "b": "2"}},
		{"the other name stays", []entry{file("a", "1"), other(tar.TypeLink, "b", "a"), file("a", "2")},
			map[string]string{"a": "2", "b": "1"}},
		{"a hard link to itself", []entry{file("a", "1"), other(tar.TypeLink, "./a", "a")}, map[string]string{"a": "1"}},
		{"a hard link to a symbolic one", []entry{
			other(tar.TypeSymlink, "l", "/outside"), other(tar.TypeLink, "m", "l"),
		}, map[string]string{"l": "-> /outside", "m": "-> /outside"}},
		{"not what the kernel shows", []entry{
			dir("dev", 0o755), other(tar.TypeChar, "dev/null", ""), file("proc/1/x", "1"), file("run/x", "1"),
			dir("sys", 0o555), file("usr/dev/x", "1"), other(tar.TypeLink, "dev/x", "dev/null"),
		}, map[string]string{"dev": "/", "sys": "/", "usr": "/", "usr/dev": "/", "usr/dev/x": "1"}},
		{"whiteouts are files", []entry{file(".wh.a", "1")}, map[string]string{".wh.a": "1"}},
		{"odd ways to write", []entry{file("./a//b/./c", "1")}, map[string]string{"a": "/", "a/b": "/", "a/b/c": "1"}},
		{"a FIFO", []entry{other(tar.TypeFifo, "p", "")}, map[string]string{"p": "FIFO"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := testfs.Tmpfs(t, "size=4m")
			_, err := unpackInto(t, put(t, makeTar(t, test.entries...)), dir, source.Options{})
			must(t, err)
			if diff := cmp.Diff(test.want, list(t, dir)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestIntegrationSubvolume unpacks where usr exists: it is the same one after it.
func TestIntegrationSubvolume(t *testing.T) {
	at := testfs.Btrfs(t, 128)
	testfs.Run(t, "btrfs", "subvolume", "create", filepath.Join(at, "usr"))
	var before, after unix.Stat_t
	must(t, unix.Stat(filepath.Join(at, "usr"), &before))
	_, err := unpackInto(t, put(t, makeTar(t, dir("./", 0o711), file("usr/a", "1"), dir("usr", 0o2751))), at, source.Options{})
	must(t, err)
	must(t, unix.Stat(filepath.Join(at, "usr"), &after))
	if after.Ino != before.Ino || after.Dev != before.Dev || after.Mode&0o7777 != 0o2751 || after.Mtim.Sec != 1e9 {
		t.Errorf("usr was %+v, and is %+v", before, after)
	}
	must(t, unix.Stat(at, &after))
	if after.Mode&0o7777 != 0o711 || after.Mtim.Sec != 1e9 {
		t.Errorf("the top is %+v", after)
	}
}

// TestIntegrationCut cuts archives at every byte.
func TestIntegrationCut(t *testing.T) {
	at := testfs.Tmpfs(t, "size=64m")
	plain := makeTar(t, dir("usr", 0o755), file("usr/zero", strings.Repeat("\x00", 512)))
	// Of the two blocks that end a tar one will do. In the first, nobody can know it.
	cutEverywhere(t, at, plain[:len(plain)-512-511], 512)
	path := put(t, plain)
	for _, tool := range []string{"gzip", "zstd", "xz", "bzip2"} {
		cutEverywhere(t, at, []byte(testfs.Run(t, tool, "-q", "-c", path)), 6)
	}
}

// cutEverywhere unpacks what a source begins with, from first bytes on.
func cutEverywhere(t *testing.T, at string, whole []byte, first int) {
	t.Helper()
	for n := first; n < len(whole); n++ {
		target, path := filepath.Join(at, "target"), filepath.Join(at, "source")
		must(t, os.Mkdir(target, 0o700))
		must(t, os.WriteFile(path, whole[:n], 0o600))
		_, err := unpackInto(t, path, target, source.Options{})
		if err == nil || !strings.Contains(err.Error(), "unfinished") {
			t.Errorf("%x...: cut after %d bytes: %v", whole[:4], n, err)
		}
		must(t, os.RemoveAll(target))
	}
}

func TestIntegrationFull(t *testing.T) {
	at := testfs.Tmpfs(t, "size=64k")
	_, err := unpackInto(t, put(t, makeTar(t, file("a", strings.Repeat("x", 1<<20)))), at, source.Options{})
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("error %v, want that there is no space", err)
	}
}

func TestIntegrationCancel(t *testing.T) {
	testfs.Root(t)
	tree := t.TempDir()
	must(t, os.WriteFile(filepath.Join(tree, "file"), []byte("content"), 0o600))
	for _, path := range []string{tree, put(t, makeTar(t, file("a", strings.Repeat("x", 1<<20)), file("b", "")))} {
		s, err := source.Open(path)
		must(t, err)
		defer s.Close()
		ctx, cancel := context.WithCancel(t.Context())
		dir := testfs.Open(t, t.TempDir())
		_, err = s.Unpack(ctx, dir, source.Options{Progress: func(int64) { cancel() }})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v", s.Kind, err)
		}
	}
}
