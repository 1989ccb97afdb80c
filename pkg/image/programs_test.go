package image_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/image"
)

// TestLacking wants what is needed late to be there before anything is begun.
func TestLacking(t *testing.T) {
	from, output := tree(t, nil), filepath.Join(t.TempDir(), "disk.img")
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	p := plan(t, output, "1.0", func(o *image.Options) {
		o.Format = image.Qcow2
		o.Boot.Sign = &esp.Signer{Key: filepath.Join(bin, "key"), Cert: filepath.Join(bin, "cert")}
	})
	boot := []string{"mkfs.fat", "mcopy", "mmd", "key", "cert", "sbsign"}
	for _, test := range []struct {
		what  string
		needs []string
		do    func() error
	}{
		{"build", slices.Concat([]string{"qemu-img", "mkfs.btrfs"}, boot), func() error {
			_, err := image.Build(t.Context(), open(t, from), p)
			return err
		}},
		{"add", boot, func() error {
			_, err := image.Add(t.Context(), output, open(t, from), image.AddOptions{Boot: p.Boot})
			return err
		}},
		{"install", slices.Concat([]string{"mkfs.btrfs", "btrfs", "fsck.fat"}, boot), p.CanInstall},
	} {
		for _, lacking := range test.needs {
			if err := test.do(); err == nil || !strings.Contains(err.Error(), lacking) {
				t.Errorf("%s without %s: %v", test.what, lacking, err)
			}
			must(t, os.WriteFile(filepath.Join(bin, lacking), []byte("#!/bin/sh\n"), 0o755))
		}
		for _, name := range test.needs {
			must(t, os.Remove(filepath.Join(bin, name)))
		}
	}
}
