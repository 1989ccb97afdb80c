package source_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/internal/zoo"
	"github.com/freshroot/freshroot/pkg/source"
)

// makeImage makes an OCI layout of four layers with umoci, and the tree that it unpacks. The
// last one lacks the end of the archive.
func makeImage(t *testing.T) (layout, tree string) {
	t.Helper()
	testfs.Root(t)
	dir := testfs.Btrfs(t, 256)
	layout, bundle := filepath.Join(dir, "layout"), filepath.Join(dir, "bundle")
	image := layout + ":latest"
	testfs.Run(t, "umoci", "init", "--layout", layout)
	testfs.Run(t, "umoci", "new", "--image", image)
	testfs.Run(t, "umoci", "unpack", "--image", image, bundle)
	m := &zoo.Maker{T: t, Dir: filepath.Join(bundle, "rootfs")}
	for _, change := range []func(*zoo.Maker){firstLayer, secondLayer, thirdLayer} {
		change(m)
		testfs.Run(t, "umoci", "repack", "--refresh-bundle", "--image", image, bundle)
	}
	inserted := filepath.Join(dir, "inserted")
	must(t, os.WriteFile(inserted, []byte("not a whole block"), 0o644))
	testfs.Run(t, "umoci", "insert", "--image", image, inserted, "/usr/lib/inserted")
	unpacked := filepath.Join(dir, "unpacked")
	testfs.Run(t, "umoci", "unpack", "--image", image, unpacked)
	return layout, filepath.Join(unpacked, "rootfs")
}

func firstLayer(m *zoo.Maker) {
	m.T.Helper()
	fillZoo(m.T, m.Dir)
	m.File("gone/deep/file", "removed in the second layer", 0o644)
	m.File("turns/into", "a file in the second layer", 0o644)
	m.File("usr/lib/os-release", "ID=test\n", 0o644)
	m.Symlink("usr/lib", "lib")
	m.Age()
}

func secondLayer(m *zoo.Maker) {
	m.T.Helper()
	must(m.T, os.RemoveAll(m.Path("gone")))
	must(m.T, os.RemoveAll(m.Path("turns")))
	m.File("turns", "a file now", 0o640)
	m.File("etc/passwd", "changed\n", 0o600)
	m.Mkdir("var/closed", 0o2711)
	m.Age()
}

func thirdLayer(m *zoo.Maker) {
	m.T.Helper()
	must(m.T, os.Remove(m.Path("turns")))
	must(m.T, os.Remove(m.Path("etc/shadow")))
	m.File("gone/again", "a directory of the same name", 0o644)
	m.File("lib/behind-a-link", "content", 0o644)
	m.Age()
}

func TestIntegrationImage(t *testing.T) {
	layout, tree := makeImage(t)
	want := zoo.WithoutBlocks(withoutAtime(zoo.Snapshot(t, tree)))
	at := t.TempDir()
	oci, docker := filepath.Join(at, "oci"), filepath.Join(at, "docker")
	zstd := filepath.Join(at, "zstd")
	testfs.Run(t, "skopeo", "copy", "oci:"+layout+":latest", "oci-archive:"+oci)
	testfs.Run(t, "skopeo", "copy", "oci:"+layout+":latest", "docker-archive:"+docker+":test:1")
	testfs.Run(t, "skopeo", "copy", "--dest-compress-format", "zstd", "oci:"+layout+":latest", "oci:"+zstd+":a")
	testfs.Run(t, "gzip", "--keep", docker)
	for _, test := range []struct {
		path string
		kind source.Kind
	}{
		{layout, source.OCI},
		{zstd, source.OCI},
		{oci, source.OCI},
		{docker, source.Docker},
		{docker + ".gz", source.Docker},
	} {
		t.Run(filepath.Base(test.path), func(t *testing.T) {
			s, err := source.Open(test.path)
			must(t, err)
			defer s.Close()
			if s.Kind != test.kind {
				t.Errorf("it is a %s, want %s", s.Kind, test.kind)
			}
			dir := testfs.Btrfs(t, 256)
			last := int64(0)
			_, err = s.Unpack(t.Context(), testfs.Open(t, dir), source.Options{
				Progress: func(read int64) { last = read },
			})
			must(t, err)
			zoo.Equal(t, want, zoo.WithoutBlocks(withoutAtime(zoo.Snapshot(t, dir))))
			if last == 0 || last > s.Size() {
				t.Errorf("read %d bytes of %d", last, s.Size())
			}
		})
	}
}
