package source_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/internal/zoo"
	"github.com/freshroot/freshroot/pkg/source"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// makeZoo makes a tree with one of every kind of inode that a source may have: no
// sockets and no device nodes.
func makeZoo(t testing.TB) string {
	t.Helper()
	testfs.Root(t)
	dir := filepath.Join(testfs.Btrfs(t, 256), "zoo")
	must(t, os.Mkdir(dir, 0o755))
	fillZoo(t, dir)
	return dir
}

// fillZoo makes such a tree in a directory.
func fillZoo(t testing.TB, dir string) {
	t.Helper()
	zoo.Make(t, dir)
	m := &zoo.Maker{T: t, Dir: dir}
	must(t, os.RemoveAll(m.Path("dev")))
	for _, name := range []string{"fifo", "fifo2", "null", "null2"} {
		must(t, os.Remove(m.Path("links/a/b/"+name)))
	}
	m.Age()
}

// unpack unpacks a source into a new directory.
func unpack(t testing.TB, path string, o source.Options) (string, source.Stats, error) {
	t.Helper()
	dir := filepath.Join(testfs.Btrfs(t, 256), "unpacked")
	must(t, os.Mkdir(dir, 0o700))
	stats, err := unpackInto(t, path, dir, o)
	return dir, stats, err
}

func unpackInto(t testing.TB, path, dir string, o source.Options) (source.Stats, error) {
	t.Helper()
	s, err := source.Open(path)
	if err != nil {
		return source.Stats{}, err
	}
	defer s.Close()
	return s.Unpack(t.Context(), testfs.Open(t, dir), o)
}
