package image_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/image"
	"github.com/freshroot/freshroot/pkg/source"
	"github.com/freshroot/freshroot/pkg/subvol"
)

const release = "6.1.0-test"

// good is a tree that becomes an image, as path and content; "-> " makes a link, and a
// content that begins with "#!" or "ELF" a program, of x86-64.
var good = map[string]string{
	"bin": "-> usr/bin", "sbin": "-> usr/sbin", "lib": "-> usr/lib",
	"usr/bin/true": "ELF", "usr/sbin/init": "#!/bin/sh\n",
	"usr/lib/os-release":                          "ID=test\nPRETTY_NAME=\"Test OS\"\n",
	"usr/lib/systemd/system/x.service":            "",
	"usr/lib/modules/" + release + "/modules.dep": "",
	"usr/lib/modules/5.10.0/modules.dep":          "",
	"boot/vmlinuz-" + release:                     "kernel",
	"etc/hosts":                                   "127.0.0.1 localhost\n",
	"etc/passwd":                                  "root:x:0:0::/root:/bin/sh\n",
	"var/lib/state":                               "x",
	"home/ada/letter":                             "dear",
}

// elfX86 begins a program for x86-64.
const elfX86 = "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00"

// tree makes a directory of the good tree with some files changed; "" removes one.
func tree(t *testing.T, changes map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, files := range []map[string]string{good, changes} {
		for _, name := range slices.Sorted(maps.Keys(files)) { // a directory before what is in it
			put(t, filepath.Join(dir, name), files[name])
		}
	}
	return dir
}

func put(t *testing.T, path, content string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.RemoveAll(path))
	target, isLink := strings.CutPrefix(content, "-> ")
	switch {
	case isLink:
		must(t, os.Symlink(target, path))
	case content == "gone":
	case content == "ELF":
		must(t, os.WriteFile(path, []byte(elfX86), 0o755))
	default:
		mode := os.FileMode(0o644)
		if strings.HasPrefix(content, "#!") {
			mode = 0o755
		}
		must(t, os.WriteFile(path, []byte(content), mode))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, path string) *source.Source {
	t.Helper()
	src, err := source.Open(path)
	must(t, err)
	t.Cleanup(func() { src.Close() })
	return src
}

// fillOptions are those of a version; the initramfs is ready-made.
func fillOptions(t *testing.T, version string) image.FillOptions {
	t.Helper()
	initramfs := filepath.Join(t.TempDir(), "initramfs")
	must(t, os.WriteFile(initramfs, []byte("initramfs"), 0o600))
	return image.FillOptions{
		Usr: subvol.Member{
			Kind: subvol.Usr, Vendor: "org.example.os", Arch: "x86-64", Version: version,
		},
		Initramfs: initramfs,
	}
}

// names lists a directory.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

// newPool mounts an empty pool.
func newPool(t *testing.T) (dir string, top *os.File) {
	t.Helper()
	dir = testfs.Btrfs(t, 512)
	return dir, testfs.Open(t, dir)
}
