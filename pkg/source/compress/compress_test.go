package compress

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/internal/testfs"
)

const text = "what is compressed, and again: what is compressed"

func decompress(t *testing.T, packed []byte) ([]byte, error) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func TestNewReader(t *testing.T) {
	file := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"cat", "gzip -c", "zstd -qc", "zstd -qc --long=27", "xz -c", "xz -9ec", "bzip2 -c"} {
		args := append(strings.Fields(program), file)
		packed := testfs.Run(t, args[0], args[1:]...)
		for _, n := range []int{1, 2} {
			got, err := decompress(t, []byte(strings.Repeat(packed, n)))
			if err != nil || string(got) != strings.Repeat(text, n) {
				t.Errorf("%s, %d times: %q, %v", program, n, got, err)
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	for name, test := range map[string]struct{ packed, want string }{
		// A frame that asks for a window of 2 GiB.
		"zstd":  {"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", "window size exceeded"},
		"gzip":  {"\x1f\x8b\x08\x00" + strings.Repeat("\xff", 40), "gzip: "},
		"bzip2": {"BZh91AY&SY" + strings.Repeat("\xff", 40), "bzip2: "},
	} {
		_, err := decompress(t, []byte(test.packed))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
}

func FuzzNewReader(f *testing.F) {
	for _, m := range magics {
		f.Add([]byte(m.magic))
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		r, err := NewReader(bytes.NewReader(packed))
		if err != nil {
			return
		}
		defer r.Close()
		n, err := io.Copy(io.Discard, io.LimitReader(r, 1<<20))
		if Detect(packed) == None && (err != nil || n != int64(len(packed))) {
			t.Errorf("%d bytes became %d (%v)", len(packed), n, err)
		}
		var failed *Error
		if err != nil && !errors.As(err, &failed) {
			t.Errorf("error %v does not say of which format", err)
		}
	})
}
