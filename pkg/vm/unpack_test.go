package vm

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// note is one of an ELF file, its name padded as it has to be.
func note(name string, kind uint32, content string) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, uint32(len(name)))
	b = le.AppendUint32(b, uint32(len(content)))
	b = append(le.AppendUint32(b, kind), name...)
	b = append(b, make([]byte, -len(name)&3)...)
	b = append(b, content...)
	return append(b, make([]byte, -len(content)&3)...)
}

// kernelELF is a 64-bit ELF file with one program header, of notes.
func kernelELF(notes []byte) []byte {
	const header, program = 64, 56
	b := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, header+program-7)...)
	le := binary.LittleEndian
	le.PutUint16(b[16:], 2)       // executable
	le.PutUint16(b[18:], 62)      // x86-64
	le.PutUint32(b[20:], 1)       // version
	le.PutUint64(b[32:], header)  // where the program headers are
	le.PutUint16(b[52:], header)  // and the sizes of each
	le.PutUint16(b[54:], program) // and how many
	le.PutUint16(b[56:], 1)
	le.PutUint16(b[58:], 64) // a section header, if there were one
	le.PutUint32(b[header:], 4)
	le.PutUint64(b[header+8:], header+program)
	le.PutUint64(b[header+32:], uint64(len(notes)))
	le.PutUint64(b[header+40:], uint64(len(notes)))
	return append(b, notes...)
}

// bzImage has a payload behind two sectors of setup and 16 bytes of code.
func bzImage(payload []byte) []byte {
	const setup, code = 2, 16
	b := make([]byte, (1+setup)*512+code, (1+setup)*512+code+len(payload))
	le := binary.LittleEndian
	b[setupSectors] = setup
	copy(b[magic:], "HdrS")
	le.PutUint16(b[bootVersion:], 0x20f)
	le.PutUint32(b[payloadOffset:], code)
	le.PutUint32(b[payloadLength:], uint32(len(payload)))
	return append(b, payload...)
}

// pvh is among other notes, as in Linux.
var pvh = append(append(note("Linux\x00", 18, "x"), note("Xen\x00", 6, "linux\x00")...),
	note("Xen\x00", 18, "\x00\x00\x00\x01")...)

// endless is a note that does not end.
var endless = []byte("\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00")

func gzipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unpack unpacks a kernel and returns it.
func unpack(t *testing.T, image []byte) ([]byte, error) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "vmlinux"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unpackKernel(f, image); err != nil {
		return nil, err
	}
	return os.ReadFile(f.Name())
}

func TestUnpackKernel(t *testing.T) {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	kernel := kernelELF(pvh)
	tests := map[string][]byte{
		"gzip": gzipped(t, kernel),
		"zstd": append(w.EncodeAll(kernel, nil), 0xb0, 0, 0, 0),
		"none": append(bytes.Clone(kernel), 0xb0, 0, 0, 0),
	}
	for name, payload := range tests {
		got, err := unpack(t, bzImage(payload))
		if err != nil || !bytes.Equal(got, kernel) {
			t.Errorf("%s: %d bytes, %v, want %d", name, len(got), err, len(kernel))
		}
	}
}

// TestUnpackOther gives it what is no kernel, or one that QEMU could not boot.
func TestUnpackOther(t *testing.T) {
	whole := bzImage(gzipped(t, kernelELF(pvh)))
	tests := map[string][]byte{
		"empty":             nil,
		"no kernel":         make([]byte, 4096),
		"cut short":         whole[:len(whole)-1],
		"header":            whole[:headerEnd],
		"no PVH":            bzImage(gzipped(t, kernelELF(note("Xen\x00", 6, "linux\x00")))),
		"endless":           bzImage(gzipped(t, kernelELF(endless))),
		"no ELF":            bzImage(gzipped(t, []byte("kernel"))),
		"no payload":        bzImage(nil),
		"damaged":           bzImage([]byte("\x1f\x8b\x08 but not gzip")),
		"an older protocol": edited(whole, bootVersion, 7),
	}
	for name, image := range tests {
		if got, err := unpack(t, image); err == nil {
			t.Errorf("%s: %d bytes, want an error", name, len(got))
		}
	}
}

func edited(b []byte, at int, to byte) []byte {
	b = bytes.Clone(b)
	b[at] = to
	return b
}

// FuzzUnpackKernel unpacks nothing but what can be booted, whatever the headers say.
func FuzzUnpackKernel(f *testing.F) {
	f.Add(bzImage(append(kernelELF(pvh), 0, 0, 0, 0)))
	f.Add(bzImage(append(kernelELF(endless), 0, 0, 0, 0)))
	f.Fuzz(func(t *testing.T, image []byte) {
		kernel, err := unpack(t, image)
		if err == nil && !bytes.HasPrefix(kernel, []byte("\x7fELF")) {
			t.Errorf("unpacked %q", kernel[:min(len(kernel), 64)])
		}
	})
}
