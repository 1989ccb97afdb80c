package archive

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/freshroot/freshroot/pkg/kmod/kerneltest"
)

func TestCompress(t *testing.T) {
	kerneltest.Tool(t, "zstd")
	data := make([]byte, 9<<20) // more than the window
	rand.NewChaCha8([32]byte{}).Read(data)
	for _, how := range []Compression{Zstd, Zstd19, None} {
		packed, err := compress(t.Context(), data, how)
		if err != nil {
			t.Fatal(err)
		}
		got, err := unpack(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(data, got) {
			t.Errorf("%s: unpacks to something else", how)
		}
		if how == None {
			continue
		}
		var header zstd.Header
		if err := header.Decode(packed); err != nil {
			t.Fatal(err)
		}
		if header.WindowSize > 8<<20 || header.SingleSegment {
			t.Errorf("%s: takes %d bytes to unpack", how, header.WindowSize)
		}
	}
	t.Setenv("PATH", t.TempDir())
	_, err := compress(t.Context(), data, Zstd19)
	if !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("without zstd: got error %v, want exec.ErrNotFound", err)
	}
}

func TestParseCompression(t *testing.T) {
	for _, how := range []Compression{Zstd, Zstd19, None} {
		if got, err := ParseCompression(string(how)); err != nil || got != how {
			t.Errorf("ParseCompression(%q) = %q, %v", how, got, err)
		}
	}
	if got, err := ParseCompression("lz4"); err == nil {
		t.Errorf("ParseCompression of lz4 = %q, want an error", got)
	}
}
