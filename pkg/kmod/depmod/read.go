package depmod

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
)

// maxModule bounds an unpacked module. The largest of a distribution, amdgpu, has
// 25 MB with its symbols stripped.
const maxModule = 64 << 20

// Errors about what is in the file of a module.
var (
	// ErrNotModule is returned for what is no ELF file, packed or not.
	ErrNotModule = errors.New("not a kernel module")
	// ErrTooLarge is returned for a module that unpacks to more than 64 MiB.
	ErrTooLarge = errors.New("unpacks to more than 64 MiB")
)

// Read returns a module as the kernel wants it: an ELF file, not compressed.
func (t *Tree) Read(m Module) ([]byte, error) {
	f, err := t.fsys.Open(m.Path)
	if err != nil {
		return nil, fmt.Errorf("read module %q: %w", m.Path, err)
	}
	defer f.Close()
	data, err := readAll(f)
	if err == nil {
		data, err = Decompress(data)
	}
	if err != nil {
		return nil, fmt.Errorf("read module %q: %w", m.Path, err)
	}
	return data, nil
}

// Decompress unpacks a module. What it is packed with is told by its first bytes,
// since a suffix may lie. The memory it uses is bounded, whatever a file asks for.
func Decompress(data []byte) ([]byte, error) {
	unpacked, err := decompressor(data)
	if err != nil {
		return nil, err
	}
	defer unpacked.Close()
	data, err = readAll(unpacked)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(data, []byte("\x7fELF")) {
		return nil, ErrNotModule
	}
	return data, nil
}

// decompressor returns a reader of what is packed in data.
func decompressor(data []byte) (io.ReadCloser, error) {
	packed := bytes.NewReader(data)
	switch {
	case bytes.HasPrefix(data, []byte("\x1f\x8b")):
		return gzip.NewReader(packed)
	case bytes.HasPrefix(data, []byte("\xfd7zXZ\x00")):
		r, err := xz.NewReader(packed, maxModule)
		return io.NopCloser(r), err
	case bytes.HasPrefix(data, []byte("\x28\xb5\x2f\xfd")):
		// The memory bound covers the window that a frame may ask for.
		d, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderMaxMemory(maxModule))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return io.NopCloser(packed), nil
}

// readAll is [io.ReadAll] with a bound.
func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxModule+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxModule {
		return nil, ErrTooLarge
	}
	return data, nil
}
