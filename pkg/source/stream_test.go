package source_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/internal/zoo"
	"github.com/freshroot/freshroot/pkg/source"
)

// sendZoo sends a subvolume, and returns the stream and the tree that btrfs receive makes.
func sendZoo(t *testing.T, compression string, options ...string) (stream, tree string) {
	t.Helper()
	testfs.Root(t)
	pool := testfs.Btrfs(t, 512)
	sent := filepath.Join(pool, "sent")
	testfs.Run(t, "btrfs", "subvolume", "create", sent)
	testfs.Run(t, "btrfs", "property", "set", sent, "compression", compression)
	fillZoo(t, sent)
	m := &zoo.Maker{T: t, Dir: sent}
	testfs.Run(t, "cp", "--reflink=always", m.Path("data/more"), m.Path("data/clone"))
	m.File("usr/lib/file", "content", 0o640)
	m.Mkdir("usr/lib", 0o751)
	m.Mkdir("dev", 0o755)
	m.Node("dev/null", 0o20666, 1, 3)
	m.Age()
	testfs.Run(t, "btrfs", "property", "set", sent, "ro", "true")
	stream = filepath.Join(t.TempDir(), "stream")
	testfs.Run(t, "btrfs", append(append([]string{"-q", "send", "-f", stream}, options...), sent)...)
	if dump := testfs.Run(t, "btrfs", "receive", "--dump", "-f", stream); !strings.Contains(dump, "clone") ||
		slices.Contains(options, "--compressed-data") != strings.Contains(dump, "encoded_write") {
		t.Fatalf("the stream is not as it should be:\n%s", dump)
	}
	received := filepath.Join(pool, "received")
	must(t, os.Mkdir(received, 0o755))
	testfs.Run(t, "btrfs", "-q", "receive", "-f", stream, received)
	return stream, filepath.Join(received, "sent")
}

func TestIntegrationStream(t *testing.T) {
	for name, options := range map[string][]string{
		"v1":   {"none", "--proto", "1"},
		"zstd": {"zstd", "--proto", "2", "--compressed-data"},
		"zlib": {"zlib", "--proto", "2", "--compressed-data"},
	} {
		t.Run(name, func(t *testing.T) {
			stream, tree := sendZoo(t, options[0], options[1:]...)
			got, _, err := unpack(t, stream, source.Options{})
			must(t, err)
			want := withoutAtime(zoo.Snapshot(t, tree))
			delete(want, "dev/null")
			zoo.Equal(t, want, withoutAtime(zoo.Snapshot(t, got)))
		})
	}
}

// TestIntegrationStreamSubvolume receives where usr is a subvolume, into which nothing can
// be renamed.
func TestIntegrationStreamSubvolume(t *testing.T) {
	stream, tree := sendZoo(t, "none", "--proto", "2")
	dir := testfs.Btrfs(t, 256)
	testfs.Run(t, "btrfs", "subvolume", "create", filepath.Join(dir, "usr"))
	stats, err := unpackInto(t, stream, dir, source.Options{})
	must(t, err)
	want := withoutAtime(zoo.Snapshot(t, tree))
	delete(want, "dev/null")
	zoo.Equal(t, want, withoutAtime(zoo.Snapshot(t, dir)))
	if stats.Files == 0 || stats.Links == 0 {
		t.Errorf("did %+v", stats)
	}
	if out := testfs.Run(t, "btrfs", "subvolume", "list", dir); !strings.HasSuffix(out, "path usr\n") {
		t.Errorf("the subvolumes are %q", out)
	}
}

// TestIntegrationStreamCut sees that nothing is left of a stream that ends too early.
func TestIntegrationStreamCut(t *testing.T) {
	stream, _ := sendZoo(t, "none", "--proto", "2")
	must(t, os.Truncate(stream, 100_000))
	testfs.Run(t, "zstd", "-q", stream)
	for _, path := range []string{stream, stream + ".zst"} {
		dir := testfs.Tmpfs(t, "size=64m")
		_, err := unpackInto(t, path, dir, source.Options{})
		if err == nil || !strings.Contains(err.Error(), "unfinished") {
			t.Errorf("error %v", err)
		}
		if left := list(t, dir); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	}
}
