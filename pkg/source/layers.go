package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/freshroot/freshroot/pkg/source/compress"
	"github.com/freshroot/freshroot/pkg/source/oci"
	"github.com/freshroot/freshroot/pkg/source/tree"
)

// unpackLayers unpacks a container image, a layer over the other.
func (s *Source) unpackLayers(ctx context.Context, dir *os.File, o Options) (Stats, error) {
	files, err := s.openFiles(ctx, &o)
	if err != nil {
		return Stats{}, err
	}
	defer files.close()
	image, err := oci.Find(files.open, o.Arch)
	if err != nil {
		return Stats{}, err
	}
	b, err := tree.New(dir)
	if err != nil {
		return Stats{}, err
	}
	defer b.Close()
	read := int64(0) // by the layers that are done
	for i, layer := range image.Layers {
		if i > 0 {
			b.NextLayer()
		}
		report := func(n int64) { o.Progress(read + n) }
		if err := addLayer(ctx, b, files.open, layer, report); err != nil {
			return statsOf(b), fmt.Errorf("layer %d of %d (%s): %w", i+1, len(image.Layers), layer.File, err)
		}
		read += layer.Size
	}
	return statsOf(b), b.Finish()
}

// addLayer adds a layer to a tree, and checks its digest while it does.
func addLayer(
	ctx context.Context, b *tree.Builder, files oci.Files, layer oci.Layer, report func(int64),
) error {
	content, err := files(layer.File)
	if err != nil {
		return err
	}
	if content.Size() != layer.Size {
		return fmt.Errorf("it has %d bytes, and should have %d", content.Size(), layer.Size)
	}
	sum := sha256.New()
	packed, unpacked := io.Writer(sum), io.Discard
	if layer.Unpacked {
		packed, unpacked = unpacked, packed
	}
	// The digest is known in the end: until then what was unpacked is nobody's.
	if err := addPacked(b, watch(ctx, content, report), packed, unpacked); err != nil {
		return err
	}
	return checkDigest(sum, layer.Digest)
}

// addPacked adds a tar that may be compressed, and copies what it reads to one writer, and
// what it makes of it to another.
func addPacked(b *tree.Builder, content io.Reader, packed, unpacked io.Writer) error {
	content = io.TeeReader(content, packed)
	r, err := compress.NewReader(content)
	if err != nil {
		return explain(err)
	}
	defer r.Close()
	// Some builders, umoci insert among them, leave out the end of the archive and what
	// pads its last file. The digest tells whether anything else is missing.
	end := bytes.NewReader(make([]byte, 3*blockSize))
	if err := addTar(b, io.MultiReader(io.TeeReader(r, unpacked), end), true); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, content) // what the decoder did not want
	return err
}

// checkDigest compares what was read with what the image promises.
func checkDigest(sum hash.Hash, want []byte) error {
	if have := sum.Sum(nil); !bytes.Equal(have, want) {
		return fmt.Errorf("it is damaged: its SHA-256 is %x, and should be %x: "+
			"fetch the image again", have, want)
	}
	return nil
}

// files are those of an image.
type files struct {
	open  oci.Files
	close func()
}

// openFiles opens a layout, or the archive of an image.
func (s *Source) openFiles(ctx context.Context, o *Options) (*files, error) {
	info, err := s.file.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return openLayout(s.Path)
	}
	return s.openArchive(ctx, o)
}

// layout is a directory with the files of an image.
type layout struct {
	root *os.Root
	used []*os.File
}

// openLayout opens a directory. Its links lead nowhere outside of it.
func openLayout(path string) (*files, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	l := &layout{root: root}
	return &files{l.open, l.close}, nil
}

// open opens a file, which stays open as long as the layout.
func (l *layout) open(name string) (*io.SectionReader, error) {
	f, err := l.root.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	l.used = append(l.used, f)
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%q is not a regular file", name)
	}
	return io.NewSectionReader(f, 0, info.Size()), nil
}

// close closes all that was opened.
func (l *layout) close() {
	for _, f := range l.used {
		f.Close()
	}
	l.root.Close()
}

// identifyDirectory tells an OCI layout from a tree.
func (s *Source) identifyDirectory() error {
	s.Kind = Directory
	files, err := openLayout(s.Path)
	if err != nil {
		return err
	}
	defer files.close()
	for _, name := range []string{"oci-layout", oci.IndexFile} {
		if _, err := files.open(name); err != nil {
			return nil // whatever it is, a layout has both
		}
	}
	s.Kind = OCI
	s.size, err = sizeOfBlobs(s.Path)
	return err
}

// sizeOfBlobs adds up the files that layers are among.
func sizeOfBlobs(layout string) (int64, error) {
	entries, err := os.ReadDir(layout + "/blobs/sha256")
	size := int64(0)
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return 0, err
		}
		size += info.Size()
	}
	return size, err
}
