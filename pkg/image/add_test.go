package image_test

import (
	"os"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/image"
)

// TestIntegrationAddOtherArch must leave an image alone that is for another architecture.
func TestIntegrationAddOtherArch(t *testing.T) {
	arm := strings.Replace(elfX86, "\x3e", "\xb7", 1)
	path := buildOf(t, map[string]string{"usr/bin/true": arm}, func(o *image.Options) { o.Fill.Usr.Arch = "arm64" })
	before, err := os.Stat(path)
	must(t, err)
	_, err = image.Add(t.Context(), path, open(t, tree(t, nil)), image.AddOptions{Fill: fillOptions(t, "2.0")})
	const want = "it is an image for arm64, and the version for x86-64: give --arch arm64"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("it was added: %v", err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("the image is another one (%v)", err)
	}
	fill := fillOptions(t, "2.0")
	fill.Usr.Arch = "arm64"
	from := tree(t, map[string]string{"usr/bin/true": arm})
	o := image.AddOptions{Fill: fill, Boot: image.BootOptions{Style: esp.None}}
	_, err = image.Add(t.Context(), path, open(t, from), o)
	must(t, err)
}
