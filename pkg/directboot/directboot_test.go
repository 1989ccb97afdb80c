package directboot_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/directboot"
	"github.com/freshroot/freshroot/pkg/disk"
	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/pkg/uki"
)

// image makes one whose EFI system partition has these files.
func image(t *testing.T, files map[string]string) string {
	t.Helper()
	testfs.Tool(t, "mkfs.fat")
	testfs.Tool(t, "mcopy")
	tree := t.TempDir()
	for name, content := range files {
		path := filepath.Join(tree, name)
		err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644))
		if err != nil {
			t.Fatal(err)
		}
	}
	layout, err := disk.Spec{Size: 68 << 20, Partitions: []disk.Partition{
		{Type: gpt.LinuxGeneric, Size: 1 << 20, Label: "other"}, {Type: gpt.ESP, Label: "esp"},
	}}.Layout()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "disk, it is.img"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	e := layout.Extents[1]
	err = errors.Join(f.Truncate(layout.Size), layout.Write(f),
		esp.MakeFAT(t.Context(), f, e.Offset, e.Size, 512, tree, 1, "ESP"))
	if err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// found is a Boot with the files read.
type found struct{ Entry, Kernel, Initramfs, Cmdline string }

func extract(t *testing.T, image string) (found, error) {
	t.Helper()
	dir := t.TempDir()
	b, err := directboot.Extract(t.Context(), image, "x86-64", dir)
	if err != nil {
		return found{}, err
	}
	f := found{Entry: b.Entry, Cmdline: b.Cmdline, Kernel: read(t, b.Kernel)}
	if b.Initramfs != "" {
		f.Initramfs = read(t, b.Initramfs)
	}
	if left, _ := filepath.Glob(dir + "/uki"); left != nil {
		t.Errorf("left: %q", left)
	}
	return f, nil
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestExtract(t *testing.T) {
	const dir = "loader/entries/"
	files := map[string]string{"a/linux": "kernel", "a/one": "first,", "a/two": "second", "b": "other"}
	for _, test := range []struct {
		name    string
		entries map[string]string
		want    found
	}{
		{"an entry", map[string]string{
			dir + "Os-1.0+3-0.conf": "title Os\nlinux /A/linux\ninitrd /a/one\ninitrd /a/two\noptions x=1 y\noptions z\n",
		}, found{"Os-1.0+3-0.conf", "kernel", "first,second", "x=1 y z"}},
		{"without initramfs", map[string]string{dir + "os.conf": "linux b\n"},
			found{"os.conf", "other", "", ""}},
		{"the newest that is not bad", map[string]string{
			dir + "os-1.0.conf":       "linux /b\noptions old\n",
			dir + "os-1.10.conf":      "linux /a/linux\noptions new\n",
			dir + "os-1.9.conf":       "linux /b\n",
			dir + "os-1.11+0-3.conf":  "linux /b\n",
			dir + "os-1.12.conf":      "linux /b\narchitecture aa64\n",
			dir + "os-1.13.conf.orig": "linux /b\n",
			"EFI/other/os-1.14.conf":  "linux /b\n",
		}, found{"os-1.10.conf", "kernel", "", "new"}},
		{"a unified kernel image", map[string]string{
			"EFI/Linux/os-2.0+3.efi": unified(t, "all in one", "ramfs", "c d\n\x00"),
			dir + "os-1.0.conf":      "linux /b\n",
		}, found{"os-2.0+3.efi", "all in one", "ramfs", "c d"}},
		{"a unified kernel image of an entry", map[string]string{
			"k.efi": unified(t, "k", "i", "c"), dir + "os.conf": "efi /k.efi\noptions mine\n",
		}, found{"os.conf", "k", "i", "mine"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			all := map[string]string{}
			for _, part := range []map[string]string{files, test.entries} {
				for name, content := range part {
					all[name] = content
				}
			}
			got, err := extract(t, image(t, all))
			if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// unified makes a unified kernel image with the stub of systemd.
func unified(t *testing.T, linux, initrd, cmdline string) string {
	t.Helper()
	stub, err := os.ReadFile("/usr/lib/systemd/boot/efi/linuxx64.efi.stub")
	if err != nil && os.Getenv("CI") == "" {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	var sections []uki.Section
	var contents []io.Reader
	for _, s := range []struct{ name, content string }{
		{".cmdline", cmdline}, {".linux", linux}, {".initrd", initrd},
	} {
		sections = append(sections, uki.Section{Name: s.name, Size: int64(len(s.content))})
		contents = append(contents, strings.NewReader(s.content))
	}
	layout, err := uki.Layout(stub, sections)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(layout.Reader(contents...)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestExtractRefuses(t *testing.T) {
	const entry = "loader/entries/os.conf"
	for want, files := range map[string]map[string]string{
		"no boot entry":      {"loader/loader.conf": "timeout 0\n"},
		"neither linux":      {entry: "title nothing\n"},
		`"::/gone"`:          {entry: "linux /gone\n"},
		`"::/a"`:             {entry: "linux ../../a\n"},
		"too large":          {entry: strings.Repeat("# long\n", 10<<10)},
		`"EFI/Linux/os.efi"`: {"EFI/Linux/os.efi": "MZ"},
	} {
		_, err := extract(t, image(t, files))
		if err == nil || !strings.Contains(err.Error(), strings.Trim(want, `"`)) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := extract(t, empty); !errors.Is(err, gpt.ErrNoTable) {
		t.Errorf("without a table: %v", err)
	}
}
