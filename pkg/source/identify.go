package source

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/source/compress"
	"github.com/freshroot/freshroot/pkg/source/oci"
)

// headSize is how much of a source, decompressed, tells what it is.
const headSize = 66 << 10

// magics tell what a file is by bytes at a place; kinds that are not known here have a
// name for people.
var magics = []struct {
	offset int
	magic  string
	kind   Kind
}{
	{0, "hsqs", Squashfs},
	{1024, "\xe2\xe1\xf5\xe0", Erofs},
	{0, "btrfs-stream\x00", Stream},
	{257, "ustar", Tar},
	{65600, "_BHRfS_M", "btrfs file system"},
	{1080, "\x53\xef", "ext4 file system"},
	{32769, "CD001", "ISO 9660 image"},
	{0, "QFI\xfb", "qcow2 image"},
	{0, "PK\x03\x04", "zip archive"},
	{0, "07070", "cpio archive"},
	{0, "!<arch>", "ar archive or Debian package"},
	{0, "\xed\xab\xee\xdb", "RPM package"},
	{512, "EFI PART", "disk image"},
	{510, "\x55\xaa", "disk image"},
}

// known are the kinds in words, for the error that says what was expected.
const known = "a directory, a tar, an OCI layout or an archive of one, a docker archive, " +
	"a squashfs or erofs image, or a btrfs send stream"

// identify finds out what was opened.
func (s *Source) identify() error {
	info, err := s.file.Stat()
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return s.identifyDirectory()
	case s.size > 0: // as was said
	case !info.Mode().IsRegular():
		return errors.New("it is a device or a pipe, and must be a file or a directory")
	case info.Size() == 0:
		return errors.New("it is empty")
	default:
		s.size = info.Size()
	}
	s.Kind, err = Identify(s.reader())
	return err
}

// Identify tells the kind of a file by its first bytes; a megabyte is enough, whatever it is
// compressed with. What is no source is an error that says what it is, as far as is known.
func Identify(r io.Reader) (Kind, error) {
	buffered := bufio.NewReader(r)
	start, err := buffered.Peek(compress.PeekSize)
	if err != nil && err != io.EOF {
		return "", err
	}
	unpacked, err := compress.NewReader(buffered)
	if err != nil {
		return "", explain(err)
	}
	defer unpacked.Close()
	head, err := readHead(unpacked)
	switch kind := kindOf(head); kind {
	case Tar:
		return kindOfTar(head), nil
	case Stream:
		return kind, nil
	case Squashfs, Erofs:
		return kind, notCompressed(kind, compress.Detect(start))
	case "":
		if err != nil {
			return "", explain(err)
		}
		return "", fmt.Errorf("it is nothing that is known; it has to be %s", known)
	default:
		return "", fmt.Errorf("it is a %s; it has to be %s", kind, known)
	}
}

// notCompressed refuses what the kernel could not mount.
func notCompressed(kind Kind, format compress.Format) error {
	if format == compress.None {
		return nil
	}
	return fmt.Errorf("it is a %s within %s: decompress it first", kind, format)
}

// readHead reads the beginning, which may be all that there is.
func readHead(r io.Reader) ([]byte, error) {
	head := make([]byte, headSize)
	n, err := io.ReadFull(r, head)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return head[:n], err
}

// kindOf tells what begins with some bytes.
func kindOf(head []byte) Kind {
	for _, m := range magics {
		if len(head) >= m.offset && bytes.HasPrefix(head[m.offset:], []byte(m.magic)) {
			return m.kind
		}
	}
	// The tar of before 1988 has nothing but the checksum of its headers.
	if _, err := tar.NewReader(bytes.NewReader(head)).Next(); err == nil {
		return Tar
	}
	return ""
}

// kindOfTar tells whether a tar is an archive of an image: its first name then is one
// that no tree has at its top.
func kindOfTar(head []byte) Kind {
	r := tar.NewReader(bytes.NewReader(head))
	for {
		h, err := r.Next()
		if err != nil {
			return Tar
		}
		if path.Clean(h.Name) == "." {
			continue
		}
		switch oci.Belongs(h.Name) {
		case oci.Layout:
			return OCI
		case oci.Docker:
			return Docker
		}
		return Tar
	}
}

// reader reads the file from its beginning.
func (s *Source) reader() io.Reader { return io.NewSectionReader(s.file, 0, s.size) }

// unpack unpacks whatever it is.
func (s *Source) unpack(ctx context.Context, dir *os.File, o Options) (Stats, error) {
	switch s.Kind {
	case Tar:
		return s.unpackTar(ctx, dir, o)
	case Squashfs, Erofs:
		return s.unpackImage(ctx, dir, o)
	case OCI, Docker:
		return s.unpackLayers(ctx, dir, o)
	case Stream:
		return s.unpackStream(ctx, dir, o)
	}
	from, err := rootfs.OpenDir(s.file, ".")
	if err != nil {
		return Stats{}, err
	}
	defer from.Close()
	return copyTree(ctx, dir, from, o)
}
