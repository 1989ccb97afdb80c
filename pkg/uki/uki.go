// Package uki puts unified kernel images together, and reads them.
//
// A unified kernel image ([UAPI.5]) is systemd's stub, an EFI program, with kernel,
// initramfs, command line and the OS's name as sections of its own behind it. The
// places of the sections are computed from the stub's headers, so that any stub of any
// architecture does, and no program of the architecture is needed.
//
// Only the headers are looked into, and nothing in them is trusted. A stub's signature
// is dropped: it would not hold for the image. The package is pure.
//
// Format: Microsoft PE/COFF (https://learn.microsoft.com/windows/win32/debug/pe-format).
//
// [UAPI.5]: https://uapi-group.org/specifications/specs/unified_kernel_image/
package uki

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// Section is a part of the image that the stub looks for.
type Section struct {
	Name string // ".linux"
	Size int64  // bytes
}

// Image is how an image is put together.
type Image struct {
	head  []byte  // all before the first section that was added
	sizes []int64 // of the sections, in order
	align int64   // what their ends are filled up to in the file
}

// maxStub is the size up to which a file may be a stub, which has about 100 KiB.
const maxStub = 16 << 20

// Layout places sections behind a stub, in their order.
func Layout(stub []byte, sections []Section) (Image, error) {
	h, err := parseHeaders(stub)
	if err != nil {
		return Image{}, fmt.Errorf("read stub: %w", err)
	}
	end, err := h.end(stub)
	if err != nil {
		return Image{}, fmt.Errorf("read stub: %w", err)
	}
	image := Image{align: int64(h.fileAlign)}
	image.head = make([]byte, roundUp(end.file, image.align))
	copy(image.head, stub[:end.file])
	for _, s := range sections {
		if err := h.add(image.head, s, &end); err != nil {
			return Image{}, fmt.Errorf("add section %s: %w", s.Name, err)
		}
		image.sizes = append(image.sizes, s.Size)
	}
	h.finish(image.head, end)
	return image, nil
}

// Size is that of the file, in bytes.
func (i Image) Size() int64 {
	size := int64(len(i.head))
	for _, s := range i.sizes {
		size += roundUp(s, i.align)
	}
	return size
}

// Headers is how many bytes at the beginning of the file may be changed by a signature.
func (i Image) Headers() int64 { return int64(headersSize(i.head)) }

// Reader returns the image, given the content of the sections, in their order. Content
// that is not as long as was said is an error.
func (i Image) Reader(contents ...io.Reader) io.Reader {
	parts := []io.Reader{strings.NewReader(string(i.head))}
	for n, content := range contents {
		size := i.sizes[n]
		filling := roundUp(size, i.align) - size
		parts = append(parts, &exactly{r: content, left: size},
			strings.NewReader(strings.Repeat("\x00", int(filling))))
	}
	return io.MultiReader(parts...)
}

// exactly reads a number of bytes and takes no other one for the end.
type exactly struct {
	r    io.Reader
	left int64
}

// Read implements io.Reader.
func (e *exactly) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	if err == io.EOF && e.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Read returns a section of an image, which may have at most longest bytes.
func Read(r io.ReaderAt, name string, longest int64) ([]byte, error) {
	section, err := Find(r, name)
	if err != nil {
		return nil, err
	}
	if size := section.Size(); size > longest {
		return nil, fmt.Errorf("section %s has %d bytes", name, size)
	}
	content := make([]byte, section.Size())
	if _, err := section.ReadAt(content, 0); err != nil {
		return nil, fmt.Errorf("read section %s: %w", name, err)
	}
	return content, nil
}

// Find returns a section of an image, to be read. It ends early if the file does.
func Find(r io.ReaderAt, name string) (*io.SectionReader, error) {
	head := make([]byte, maxHeaders)
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	h, err := parseHeaders(head[:n])
	if err != nil {
		return nil, err
	}
	for _, s := range h.sections {
		if s.name == name {
			return io.NewSectionReader(r, int64(s.raw), int64(min(s.size, s.rawSize))), nil
		}
	}
	return nil, fmt.Errorf("no section %s", name)
}

// Signed says whether an EFI program has a signature.
func Signed(r io.ReaderAt) bool {
	head := make([]byte, maxHeaders)
	n, _ := r.ReadAt(head, 0)
	h, err := parseHeaders(head[:n])
	return err == nil && binary.LittleEndian.Uint32(head[h.security+4:]) > 0
}

func roundUp(n, align int64) int64 { return (n + align - 1) / align * align }
