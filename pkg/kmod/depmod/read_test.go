package depmod

import (
	"bytes"
	"compress/gzip"
	"io"
	"testing"
	"testing/fstest"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// pack compresses data; kind is the suffix of a module.
func pack(t *testing.T, kind string, data []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	var w io.WriteCloser
	var err error
	switch kind {
	case ".gz":
		w = gzip.NewWriter(&packed)
	case ".xz":
		w, err = xz.NewWriter(&packed)
	case ".zst":
		w, err = zstd.NewWriter(&packed)
	default:
		return data
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func TestRead(t *testing.T) {
	elf := append([]byte("\x7fELF"), bytes.Repeat([]byte("module"), 10_000)...)
	for _, suffix := range []string{"", ".gz", ".xz", ".zst"} {
		t.Run("ko"+suffix, func(t *testing.T) {
			path := "kernel/m.ko" + suffix
			files := indexes(path+":\n", "", "", "")
			files[path] = &fstest.MapFile{Data: pack(t, suffix, elf)}
			tree, err := Open(files)
			if err != nil {
				t.Fatal(err)
			}
			modules, err := tree.Select([]string{"m"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := tree.Read(modules[0])
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, elf) {
				t.Errorf("got %d bytes, not the %d packed", len(got), len(elf))
			}
		})
	}
}

func TestReadMissingFile(t *testing.T) {
	m := Module{Path: "kernel/fs/btrfs/btrfs.ko"}
	_, err := openTest(t).Read(m)
	wantError(t, err, `read module "kernel/fs/btrfs/btrfs.ko": open `)
}

func TestDecompressRefuses(t *testing.T) {
	for _, suffix := range []string{".gz", ".xz", ".zst"} {
		packed := pack(t, suffix, append([]byte("\x7fELF"), make([]byte, 100_000)...))
		if _, err := Decompress(packed[:len(packed)/2]); err == nil {
			t.Errorf("%s: half a module was unpacked", suffix)
		}
		if _, err := Decompress(packed[:7]); err == nil {
			t.Errorf("%s: seven bytes of a module were unpacked", suffix)
		}
		if _, err := Decompress(pack(t, suffix, []byte("text"))); err != ErrNotModule {
			t.Errorf("%s: got error %v for a text, want ErrNotModule", suffix, err)
		}
	}
	for _, text := range []string{"", "\x7fEL", "#!/bin/sh\n"} {
		if _, err := Decompress([]byte(text)); err != ErrNotModule {
			t.Errorf("got error %v for %q, want ErrNotModule", err, text)
		}
	}
}

func TestDecompressBounds(t *testing.T) {
	bomb := append([]byte("\x7fELF"), make([]byte, maxModule)...)
	// There is no xz here, which takes its time to pack; the bound is the same.
	for _, suffix := range []string{"", ".gz"} {
		if _, err := Decompress(pack(t, suffix, bomb)); err != ErrTooLarge {
			t.Errorf("%q: got error %v, want ErrTooLarge", suffix, err)
		}
	}
	// zstd finds the size in the header, and does not even start.
	if _, err := Decompress(pack(t, ".zst", bomb)); err == nil {
		t.Error("a module of more than 64 MiB was unpacked")
	}
}
