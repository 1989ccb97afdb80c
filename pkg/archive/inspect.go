package archive

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/klauspost/compress/zstd"

	"github.com/freshroot/freshroot/pkg/kmod"
)

// maxUnpacked bounds what [Inspect] reads. The default set takes 15 MB.
const maxUnpacked = 256 << 20

// ErrTooLarge is returned by [Inspect] for more than 256 MiB.
var ErrTooLarge = errors.New("unpacks to more than 256 MiB")

// Contents is what is in an initramfs.
type Contents struct {
	Release string   `json:"release,omitempty"`
	Files   []File   `json:"files"`
	Modules []string `json:"modules"` // in an order in which they can be loaded
	Aliases int      `json:"aliases"`
}

// File is a file of an initramfs.
type File struct {
	Name string `json:"name"`
	Mode Mode   `json:"mode"`
	Size uint64 `json:"size"`
}

// Mode is the type of a file and its permissions, as in st_mode.
type Mode uint64

// MarshalText writes a mode as people and stat(1) do, in octal: "100644".
func (m Mode) MarshalText() ([]byte, error) { return strconv.AppendUint(nil, uint64(m), 8), nil }

// UnmarshalText reads what MarshalText writes.
func (m *Mode) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 8, 32)
	*m = Mode(n)
	return err
}

// Inspect reads an initramfs that [Build] made.
func Inspect(r io.Reader) (Contents, error) {
	data, err := unpack(r)
	if err != nil {
		return Contents{}, fmt.Errorf("unpack: %w", err)
	}
	var c Contents
	for {
		file, content, rest, err := nextFile(data)
		switch {
		case err != nil:
			return c, fmt.Errorf("file %d of the archive: %w", len(c.Files)+1, err)
		case file.Name == trailer:
			return c, nil
		case file.Name == TableFile:
			if err := c.readTable(content); err != nil {
				return c, fmt.Errorf("read /%s: %w", TableFile, err)
			}
		}
		c.Files = append(c.Files, file)
		data = rest
	}
}

const (
	trailer = "TRAILER!!!" // the name of what ends an archive

	// A header is the magic and 13 numbers of 8 hexadecimal digits; these are some
	// of their places.
	headerSize     = 6 + 13*8
	modeNumber     = 1
	fileSizeNumber = 6
	nameSizeNumber = 11
)

// nextFile takes the first file off a cpio archive. The reader of u-root is not used,
// because it allocates whatever a header claims the name to have.
func nextFile(data []byte) (f File, content, rest []byte, err error) {
	if len(data) < headerSize || string(data[:6]) != "070701" {
		return f, nil, nil, errors.New("no cpio header (newc)")
	}
	number := func(i int) uint64 {
		n, parseErr := strconv.ParseUint(string(data[6+8*i:14+8*i]), 16, 32)
		err = cmp.Or(err, parseErr)
		return n
	}
	nameSize := number(nameSizeNumber)
	f.Mode, f.Size = Mode(number(modeNumber)), number(fileSizeNumber)
	if err != nil {
		return f, nil, nil, err
	}
	// 64 bits cannot overflow by the sum of two numbers of 32.
	start := align(headerSize + nameSize)
	end := start + f.Size
	if nameSize == 0 || end > uint64(len(data)) {
		return f, nil, nil, io.ErrUnexpectedEOF
	}
	f.Name = string(data[headerSize : headerSize+nameSize-1])
	return f, data[start:end], data[min(align(end), uint64(len(data))):], nil
}

// align returns where the next part of an archive starts.
func align(n uint64) uint64 { return (n + 3) &^ 3 }

// unpack returns the cpio archive, whether it is compressed or not.
func unpack(r io.Reader) ([]byte, error) {
	data, err := readBounded(r)
	if err != nil || !bytes.HasPrefix(data, []byte("\x28\xb5\x2f\xfd")) {
		return data, err
	}
	d, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxMemory(maxUnpacked))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return readBounded(d)
}

func readBounded(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxUnpacked+1))
	if err == nil && len(data) > maxUnpacked {
		return nil, ErrTooLarge
	}
	return data, err
}

// readTable takes what the module table says.
func (c *Contents) readTable(data []byte) error {
	table, err := kmod.ParseTable(data)
	if err != nil {
		return err
	}
	c.Release, c.Aliases = table.Release(), table.Aliases()
	// Modules that came with an earlier one are not listed again.
	for _, name := range table.Names() {
		for _, module := range table.Order(name) {
			if !slices.Contains(c.Modules, module) {
				c.Modules = append(c.Modules, module)
			}
		}
	}
	return nil
}
