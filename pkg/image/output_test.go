package image_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/image"
)

// TestNoFile has names that are not those of files. Neither does --force replace them,
// nor is a FIFO waited for.
func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	must(t, unix.Mkfifo(fifo, 0o600))
	before, err := os.Lstat(fifo)
	must(t, err)
	from := tree(t, nil)
	for _, path := range []string{dir, fifo} {
		p := plan(t, path, "1.0", func(o *image.Options) { o.Force = true })
		_, built := image.Build(t.Context(), open(t, from), p)
		_, added := image.Add(t.Context(), path, open(t, from), image.AddOptions{})
		_, opened := image.Open(path)
		for what, err := range map[string]error{"build": built, "add": added, "open": opened} {
			if err == nil || !strings.Contains(err.Error(), "is no file") {
				t.Errorf("%s %s: %v", what, path, err)
			}
		}
	}
	if after, err := os.Lstat(fifo); err != nil || !os.SameFile(before, after) {
		t.Errorf("the FIFO is another one (%v)", err)
	}
}
