package image_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/image"
)

// TestIntegrationFullOutput has no room where the image is written, which the pool in it does
// not know of. It must be said.
func TestIntegrationFullOutput(t *testing.T) {
	from, disk := testfs.Tmpfs(t, "size=200m"), filepath.Join(testfs.Tmpfs(t, "size=60m"), "disk.img")
	testfs.Run(t, "cp", "-a", tree(t, nil)+"/.", from)
	path := build(t, nil)
	must(t, os.WriteFile(filepath.Join(from, "usr/noise"), noise(120<<20), 0o644))
	check := func(what string, err error) {
		t.Helper()
		var full *image.FullError
		if !errors.As(err, &full) || full.Path != disk || strings.Contains(err.Error(), "\n") ||
			!strings.Contains(err.Error(), "the file system that it is written to is full") {
			t.Errorf("%s: %v", what, err)
		}
	}
	uncompressed := func(o *image.Options) { o.Compress = "none" }
	_, err := image.Build(t.Context(), open(t, from), plan(t, disk, "1.0", uncompressed))
	check("build", err)
	if got := names(t, filepath.Dir(disk)); got != "" {
		t.Errorf("left: %s", got)
	}
	testfs.Run(t, "cp", "--sparse=always", path, disk)
	before, err := os.Stat(disk)
	must(t, err)
	o := image.AddOptions{
		Compress: "none", Fill: fillOptions(t, "2.0"), Boot: image.BootOptions{Style: esp.None},
	}
	_, err = image.Add(t.Context(), disk, open(t, from), o)
	check("add", err)
	must(t, occupy(filepath.Join(filepath.Dir(disk), "rest")))
	_, err = image.Add(t.Context(), disk, open(t, from), o)
	check("add to a full one", err)
	if after, err := os.Stat(disk); err != nil || !os.SameFile(before, after) {
		t.Errorf("the image is another one (%v)", err)
	}
}
