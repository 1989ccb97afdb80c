package source_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/internal/zoo"
	"github.com/freshroot/freshroot/pkg/source"
)

func TestIntegrationSquashfs(t *testing.T) {
	dir := makeZoo(t)
	file := filepath.Join(t.TempDir(), "image")
	testfs.Run(t, "mksquashfs", dir, file, "-no-progress", "-quiet")
	want := filepath.Join(t.TempDir(), "mounted")
	compareImage(t, "squashfs", file, want)
}

func TestIntegrationErofs(t *testing.T) {
	dir := makeZoo(t)
	must(t, os.RemoveAll(filepath.Join(dir, "data"))) // mkfs.erofs 1.5 fails at names of 255 bytes
	file := filepath.Join(t.TempDir(), "image")
	testfs.Run(t, "mkfs.erofs", file, dir)
	compareImage(t, "erofs", file, filepath.Join(t.TempDir(), "mounted"))
}

// compareImage compares what was unpacked with what mount(8) shows.
func compareImage(t *testing.T, kind, file, at string) {
	t.Helper()
	got, _, err := unpack(t, file, source.Options{})
	must(t, err)
	must(t, os.Mkdir(at, 0o755))
	testfs.Run(t, "mount", "-t", kind, "-o", "loop,ro", file, at)
	t.Cleanup(func() { testfs.Run(t, "umount", at) })
	zoo.Equal(t, zoo.WithoutBlocks(zoo.Snapshot(t, at)), zoo.WithoutBlocks(zoo.Snapshot(t, got)))
}
