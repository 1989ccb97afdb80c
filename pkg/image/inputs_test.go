package image_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/image"
)

// TestInputs has something wrong that can be known before anything is unpacked. It must be
// said before the first step.
func TestInputs(t *testing.T) {
	from, bare := tree(t, nil), tree(t, map[string]string{
		"boot": "gone", "usr/sbin/init": "gone", "usr/bin/true": strings.Replace(elfX86, "\x3e", "\xf3", 1),
	})
	text := filepath.Join(from, "etc/hosts")
	for name, test := range map[string]struct {
		source string
		want   []string
		edit   func(o *image.Options)
	}{
		"initramfs":           {from, []string{"find initramfs: stat /gone"}, func(o *image.Options) { o.Fill.Initramfs = "/gone" }},
		"initramfs directory": {from, []string{"find initramfs", "is a directory"}, func(o *image.Options) { o.Fill.Initramfs = from }},
		"init":                {from, []string{"find init: stat /gone"}, func(o *image.Options) { o.Fill.Init = "/gone" }},
		"init of text": {from, []string{"neither an ELF program"}, func(o *image.Options) {
			o.Fill.Initramfs, o.Fill.Init = "", text
		}},
		"no checkout": {from, []string{"not a checkout"}, func(o *image.Options) {
			o.Fill.Initramfs, o.Fill.InitSource = "", from
		}},
		"tool":          {from, []string{"find tool: stat /gone"}, func(o *image.Options) { o.Fill.Tool = "/gone" }},
		"tool of text":  {from, []string{`is for ""`, "--no-tool"}, func(o *image.Options) { o.Fill.Tool = text }},
		"kernel":        {from, []string{"find kernel: no modules below /gone"}, func(o *image.Options) { o.Fill.KernelFrom = "/gone" }},
		"kernel itself": {from, []string{"find kernel", "vmlinuz"}, func(o *image.Options) { o.Fill.KernelFrom = bare }},
		"directory":     {bare, []string{"no init", "no boot/vmlinuz", "is riscv64, not x86-64"}, func(*image.Options) {}},
		"boot loader": {bare, []string{"no init", "no systemd-boot"}, func(o *image.Options) {
			o.Boot.Style, o.Fill.Usr.Arch = esp.Entries, "riscv64"
		}},
	} {
		path := filepath.Join(t.TempDir(), "disk.img")
		p := plan(t, path, "1.0", test.edit)
		p.Fill.Progress = func(step string, _, _ int64) { t.Errorf("%s: %s was begun", name, step) }
		_, err := image.Build(t.Context(), open(t, test.source), p)
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\nlacks %q", name, err, want)
			}
		}
		if got := names(t, filepath.Dir(path)); got != "" {
			t.Errorf("%s: left: %s", name, got)
		}
	}
}

// TestIntegrationInputs has what cannot be known, or is not needed, and builds.
func TestIntegrationInputs(t *testing.T) {
	testfs.Root(t)
	kernel, other := tree(t, nil), tree(t, map[string]string{"boot": "gone", "usr/lib/modules": "gone"})
	put(t, filepath.Join(other, "usr/bin/freshroot"), "#!/bin/sh\n")
	path := filepath.Join(t.TempDir(), "disk.img")
	_, err := image.Build(t.Context(), open(t, other), plan(t, path, "1.0", func(o *image.Options) {
		o.Fill.KernelFrom = kernel
		o.Fill.Tool = filepath.Join(kernel, "etc/hosts") // the source has one
	}))
	must(t, err)
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
