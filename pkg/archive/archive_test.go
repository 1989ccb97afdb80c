package archive

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/u-root/u-root/pkg/cpio"
)

// writeFiles writes files below dir, by path.
func writeFiles(t *testing.T, dir string, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// script returns a ready-made init.
func script(t *testing.T) string {
	t.Helper()
	dir := writeFiles(t, t.TempDir(), map[string]string{"script": "#!/bin/sh\n"})
	return filepath.Join(dir, "script")
}

// smallKernel returns a kernel with few modules.
func smallKernel(t *testing.T) Kernel {
	t.Helper()
	dir := writeFiles(t, t.TempDir(), map[string]string{
		"modules.dep":     "kernel/btrfs.ko: kernel/xor.ko\nkernel/xor.ko:\n",
		"modules.alias":   "alias fs-btrfs btrfs\n",
		"kernel/btrfs.ko": "\x7fELF btrfs",
		"kernel/xor.ko":   "\x7fELF xor",
	})
	return Kernel{Release: "6.1-test", Dir: dir}
}

// build builds and returns the bytes.
func build(t *testing.T, o Options) ([]byte, Result) {
	t.Helper()
	if o.Output == "" {
		o.Output = filepath.Join(t.TempDir(), "out")
	}
	r, err := Build(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(o.Output)
	if err != nil {
		t.Fatal(err)
	}
	return data, r
}

func TestBuildContents(t *testing.T) {
	host := writeFiles(t, t.TempDir(), map[string]string{"tool": "#!/bin/tool\n"})
	if err := os.Chmod(filepath.Join(host, "tool"), 0o640); err != nil {
		t.Fatal(err)
	}
	data, result := build(t, Options{
		Init:    script(t),
		Kernel:  smallKernel(t),
		Modules: Modules{Required: []string{"btrfs"}},
		Add: []Addition{
			{filepath.Join(host, "tool"), "usr/bin/tool"},
			{filepath.Join(host, "tool"), "usr/bin/other"},
		},
		Time: time.Unix(1e9, 0),
	})
	got, err := Inspect(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	const dir, file, node = cpio.S_IFDIR | 0o755, cpio.S_IFREG, cpio.S_IFCHR
	want := Contents{
		Release: "6.1-test",
		Files: []File{
			{"dev", dir, 0},
			{"dev/console", node | 0o600, 0},
			{"dev/kmsg", node | 0o600, 0},
			{"dev/null", node | 0o666, 0},
			{"init", file | 0o755, 10},
			{"modules", dir, 0},
			{"modules/btrfs.ko", file | 0o644, 10},
			{"modules/table", file | 0o644, 64},
			{"modules/xor.ko", file | 0o644, 8},
			{"pool", dir, 0},
			{"proc", dir, 0},
			{"run", dir, 0},
			{"sys", dir, 0},
			{"sysroot", dir, 0},
			{"usr", dir, 0},
			{"usr/bin", dir, 0},
			{"usr/bin/other", file | 0o640, 12},
			{"usr/bin/tool", file | 0o640, 12},
		},
		Modules: []string{"xor", "btrfs"},
		Aliases: 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
	wantResult := Result{Output: result.Output, Release: "6.1-test",
		Size: int64(len(data)), Unpacked: result.Unpacked, InitSize: 10,
		ModulesSize: 18, Modules: 2, Aliases: 1}
	if diff := cmp.Diff(wantResult, result); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

// The archive is read by u-root, which checks more of it than Inspect does.
func TestBuildIsAnArchiveOfRoot(t *testing.T) {
	data, _ := build(t, Options{Init: script(t), Compression: None, Time: time.Unix(7, 0)})
	records, err := cpio.ReadAllRecords(cpio.Newc.Reader(bytes.NewReader(data)))
	if err != nil {
		t.Fatal(err)
	}
	inodes := map[uint64]bool{}
	for _, r := range records {
		if r.UID != 0 || r.GID != 0 || r.MTime != 7 || r.NLink != 1 || inodes[r.Ino] {
			t.Errorf("%s: bad owner, time or inode: %+v", r.Name, r.Info)
		}
		inodes[r.Ino] = true
	}
	want := map[string][2]uint64{
		"dev/console": {5, 1}, "dev/kmsg": {1, 11}, "dev/null": {1, 3},
	}
	got := map[string][2]uint64{}
	for _, r := range records {
		if r.Mode&cpio.S_IFMT == cpio.S_IFCHR {
			got[r.Name] = [2]uint64{r.Rmajor, r.Rminor}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("device nodes (-want +got):\n%s", diff)
	}
}

func TestBuildRefuses(t *testing.T) {
	dir := writeFiles(t, t.TempDir(), map[string]string{"text": "text", "file": "file"})
	text, init := filepath.Join(dir, "text"), script(t)
	linked := smallKernel(t)
	xor := filepath.Join(linked.Dir, "kernel/xor.ko")
	if err := os.Remove(xor); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/bin/true", xor); err != nil {
		t.Fatal(err)
	}
	btrfs := Modules{Required: []string{"btrfs"}}
	tests := []struct {
		name    string
		options Options
		want    string
	}{
		{"no init", Options{Init: dir + "/gone"}, "read init: open " + dir + "/gone"},
		{"text as init", Options{Init: text}, "neither an ELF program nor a script"},
		{"second init", Options{Init: init, Add: []Addition{{text, "init"}}},
			"add /init: the archive has such a file already"},
		{"below a file", Options{Init: init, Add: []Addition{{text, "dev/null/x"}}},
			"add /dev/null/x: /dev/null is a file"},
		{"add directory", Options{Init: init, Add: []Addition{{dir, "x"}}},
			"add /x: " + dir + " is no regular file"},
		{"add nothing", Options{Init: init, Add: []Addition{{dir + "/gone", "x"}}},
			"add /x: open "},
		{"no tree", Options{Init: init, Modules: btrfs, Kernel: Kernel{"6.1", dir + "/gone"}},
			"open modules of 6.1: open "},
		{"no indexes", Options{Init: init, Modules: btrfs, Kernel: Kernel{"6.1", dir}},
			"read modules.dep: "},
		{"no module", Options{Init: init, Modules: Modules{Required: []string{"ext4"}},
			Kernel: smallKernel(t)}, `modules ["ext4"]: neither in the tree nor`},
		{"link out of the tree", Options{Init: init, Modules: btrfs, Kernel: linked},
			`read module "kernel/xor.ko": `},
		{"bad release", Options{Init: init, Modules: btrfs,
			Kernel: Kernel{"6 1", smallKernel(t).Dir}}, `bad kernel release "6 1"`},
		{"output", Options{Init: init, Output: dir + "/gone/out"}, "write " + dir},
		{"output is a directory", Options{Init: init, Output: dir}, "write " + dir},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := writeFiles(t, t.TempDir(), map[string]string{"out": "old"})
			if tt.options.Output == "" {
				tt.options.Output = filepath.Join(out, "out")
			}
			_, err := Build(t.Context(), tt.options)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
			wantOnly(t, out, "out")
			wantOnly(t, dir, "file", "text")
		})
	}
}

// wantOnly checks that a directory has these files and no others.
func wantOnly(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files in %s (-want +got):\n%s", dir, diff)
	}
}
