package compress

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/internal/testfs"
)

// withSum adds the CRC-32 of what follows the first skip bytes.
func withSum(b string, skip int) string {
	return string(binary.LittleEndian.AppendUint32([]byte(b), crc32.ChecksumIEEE([]byte(b[skip:]))))
}

// xzHeader begins a stream whose blocks have no check.
var xzHeader = withSum("\xfd7zXZ\x00"+"\x00\x00", 6)

// xzBlock is a block of four bytes, "text", that asks for a dictionary: 2^(dict/2+12) bytes
// for even codes, and 4 GiB - 1 for 40.
func xzBlock(dict byte) string {
	// A header of 12 bytes for LZMA2; an uncompressed chunk, the end, no padding.
	return withSum("\x02\x00\x21\x01"+string([]byte{dict})+"\x00\x00\x00", 0) + "\x01\x00\x03text\x00"
}

// xzTail ends a stream of one block: an index of one record (12 bytes of header, 8 of data;
// 4 that come out), and the footer, which has the size of the index.
var xzTail = withSum("\x00\x01\x14\x04", 0) + xzFooter

var xzFooter = func() string {
	const body = "\x01\x00\x00\x00" + "\x00\x00"
	return withSum(body, 0)[len(body):] + body + "YZ"
}()

// TestXzDictionary asks for much memory in each place where a file can.
func TestXzDictionary(t *testing.T) {
	const fits, most, huge = 0, 30, 40
	stream := func(dict byte) string { return xzHeader + xzBlock(dict) + xzTail }
	for name, test := range map[string]struct{ packed, want, text string }{
		"what fits":                   {stream(fits) + stream(most), "", "texttext"},
		"with padding":                {stream(fits) + "\x00\x00\x00\x00" + stream(fits), "", "texttext"},
		"first block":                 {stream(huge), "more than 128 MiB", ""},
		"a bit more":                  {stream(most + 1), "more than 128 MiB", ""},
		"no such size":                {stream(huge + 1), "options not supported", ""},
		"second block":                {xzHeader + xzBlock(fits) + xzBlock(huge), "more than 128 MiB", "text"},
		"second stream":               {stream(fits) + stream(huge), "more than 128 MiB", "text"},
		"second stream after padding": {stream(fits) + "\x00\x00\x00\x00" + stream(huge), "more than 128 MiB", "text"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := decompress(t, []byte(test.packed))
		runtime.ReadMemStats(&after)
		if string(got) != test.text || (err == nil) != (test.want == "") ||
			err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %q, %v, want %q, %q", name, got, err, test.text, test.want)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > maxWindow+(1<<20) {
			t.Errorf("%s: took %d MiB", name, took>>20)
		}
	}
}

// TestXzKinds reads what xz(1) makes: of several blocks, with each check, with a filter.
func TestXzKinds(t *testing.T) {
	want := strings.Repeat(text, 100)
	file := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, options := range []string{
		"--block-size=1000", "-T2 --block-size=1000", "-Cnone", "-Ccrc32", "-Csha256", "--x86 --lzma2", "--delta --lzma2",
	} {
		packed := testfs.Run(t, "xz", append(strings.Fields(options), "-c", file)...)
		if got, err := decompress(t, []byte(packed)); err != nil || string(got) != want {
			t.Errorf("xz %s: %d bytes, %v", options, len(got), err)
		}
		for n := range len(packed) {
			if _, err := decompress(t, []byte(packed[:n])); !errors.Is(err, io.ErrUnexpectedEOF) && n > len("\xfd7zXZ\x00") {
				t.Errorf("xz %s: the first %d bytes: %v", options, n, err)
			}
		}
		flipped := []byte(packed)
		flipped[len(flipped)/2] ^= 1
		if _, err := decompress(t, flipped); err == nil && options != "-Cnone" {
			t.Errorf("xz %s: a changed bit was not seen", options)
		}
	}
}

func FuzzXz(f *testing.F) {
	f.Add([]byte(xzBlock(0) + xzTail))
	f.Add([]byte(xzBlock(0) + xzTail + "\x00\x00\x00\x00" + xzHeader + xzTail))
	f.Fuzz(func(t *testing.T, packed []byte) {
		r, err := NewReader(io.MultiReader(strings.NewReader(xzHeader), strings.NewReader(string(packed))))
		if err != nil {
			return
		}
		defer r.Close()
		_, err = io.Copy(io.Discard, io.LimitReader(r, 1<<20))
		var failed *Error
		if err != nil && !errors.As(err, &failed) {
			t.Errorf("error %v does not say of which format", err)
		}
	})
}
