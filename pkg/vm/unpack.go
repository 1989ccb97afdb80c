package vm

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/source/compress"
)

// unpackedKernels remembers, by kernel, the file that it is unpacked in.
var unpackedKernels sync.Map

// unpacked returns the path of a kernel that needs not unpack itself: emulated, that takes
// longer than the rest of its boot. It is path where there is no such kernel in the file.
func unpacked(path string) string {
	once, _ := unpackedKernels.LoadOrStore(path, sync.OnceValue(func() *os.File {
		f, err := unpackFile(path)
		if err != nil {
			return nil // it still can unpack itself
		}
		return f
	}))
	f := once.(func() *os.File)()
	if f == nil {
		return path
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd())
}

// unpackFile unpacks a kernel into a file in memory.
func unpackFile(path string) (*os.File, error) {
	image, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("vmlinux", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "vmlinux")
	if err := unpackKernel(f, image); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Fields of the header of a bzImage: https://docs.kernel.org/arch/x86/boot.html
const (
	setupSectors  = 0x1f1 // one byte
	magic         = 0x202 // "HdrS"
	bootVersion   = 0x206 // two bytes
	payloadOffset = 0x248 // four bytes, from the end of the setup; as the length since 2.08
	payloadLength = 0x24c // four bytes
	headerEnd     = 0x250
)

const (
	maxKernel = 1 << 30 // bounds what a kernel unpacks to
	maxNotes  = 1 << 20 // and how much of its notes is read
)

// unpackKernel writes the ELF file that is in a bzImage. QEMU has to be able to boot it: it
// needs the entry of the PVH boot protocol (Linux 4.21, CONFIG_PVH).
func unpackKernel(to *os.File, image []byte) error {
	packed, err := payload(image)
	if err != nil {
		return err
	}
	r, err := compress.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := io.Copy(to, io.LimitReader(r, maxKernel)); err != nil {
		return err
	}
	if !hasPVH(to) {
		return errors.New("it has no PVH entry")
	}
	return nil
}

// payload returns what is packed in a bzImage.
func payload(image []byte) ([]byte, error) {
	le := binary.LittleEndian
	if len(image) < headerEnd || string(image[magic:magic+4]) != "HdrS" ||
		le.Uint16(image[bootVersion:]) < 0x208 {
		return nil, errors.New("it is no bzImage")
	}
	start := (1+int64(image[setupSectors]))*512 + int64(le.Uint32(image[payloadOffset:]))
	end := start + int64(le.Uint32(image[payloadLength:]))
	// Behind all formats but gzip, which has it itself, is the size.
	const size = 4
	if end > int64(len(image)) || end-start < size {
		return nil, io.ErrUnexpectedEOF
	}
	packed := image[start:end]
	if compress.Detect(packed) != compress.Gzip {
		packed = packed[:len(packed)-size]
	}
	return packed, nil
}

// hasPVH looks for the note XEN_ELFNOTE_PHYS32_ENTRY (include/xen/interface/elfnote.h).
func hasPVH(kernel io.ReaderAt) bool {
	const entry = 18
	f, err := elf.NewFile(kernel)
	if err != nil {
		return false
	}
	for _, p := range f.Progs {
		if p.Type != elf.PT_NOTE {
			continue
		}
		notes, err := io.ReadAll(io.LimitReader(p.Open(), maxNotes))
		if err != nil {
			return false
		}
		if has(notes, "Xen\x00", entry) {
			return true
		}
	}
	return false
}

// has looks for a note, which is name size, content size, kind, name and content, the last
// two padded to four bytes.
func has(notes []byte, name string, kind uint32) bool {
	const head = 12
	for len(notes) >= head {
		word := func(n int) uint32 { return binary.LittleEndian.Uint32(notes[4*n:]) }
		padded := func(n uint32) uint64 { return (uint64(n) + 3) &^ 3 }
		if word(2) == kind && strings.HasPrefix(string(notes[head:]), name) {
			return true
		}
		next := head + padded(word(0)) + padded(word(1))
		if next > uint64(len(notes)) {
			return false
		}
		notes = notes[next:]
	}
	return false
}
