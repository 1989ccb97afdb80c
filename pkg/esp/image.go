package esp

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/freshroot/freshroot/pkg/bls"
	"github.com/freshroot/freshroot/pkg/uki"
)

// maxStub is more than a stub has, in bytes.
const maxStub = 16 << 20

// writeImages adds the unified kernel images.
func (d *decider) writeImages() error {
	if d.Stub.Open == nil {
		return fmt.Errorf("unified kernel images need systemd's stub linux%s.efi.stub: "+
			"install it (package systemd-boot-efi)", bls.Arch(d.Arch))
	}
	stub, err := d.Stub.read(maxStub)
	if err != nil {
		return fmt.Errorf("read stub: %w", err)
	}
	if d.Sign == nil && slices.ContainsFunc(d.loaders, func(l loader) bool { return l.signed }) {
		d.warn("the boot loader is signed, and what is written is not: give a key to sign with")
	}
	for _, v := range d.want {
		image, file, err := unify(stub, v)
		if err != nil {
			return fmt.Errorf("unify %s: %w", v.Usr, err)
		}
		t := target{
			dir: bls.UnifiedDir, name: idOf(v.Usr).entry(bls.EFISuffix),
			file: file, headers: image.Headers(), sign: d.Sign,
		}
		if err := d.writeEntry(v.Usr, t); err != nil {
			return err
		}
	}
	return nil
}

// part is a section of an image.
type part struct {
	name string
	file File
}

// unify puts a version's files together. The kernel comes last: it may need the memory
// behind it to unpack.
func unify(stub []byte, v Version) (uki.Image, File, error) {
	parts := []part{
		{".osrel", Bytes([]byte(osRelease(v)))},
		{".cmdline", Bytes([]byte(v.cmdline()))},
		{".uname", Bytes([]byte(bls.Line(v.Release)))},
		{".initrd", v.Initramfs}, {".linux", v.Kernel},
	}
	var sections []uki.Section
	var files []File
	for _, p := range parts {
		if p.file.Size > 0 {
			sections = append(sections, uki.Section{Name: p.name, Size: p.file.Size})
			files = append(files, p.file)
		}
	}
	image, err := uki.Layout(stub, sections)
	file := File{image.Size(), func() (io.ReadCloser, error) { return open(image, files) }}
	return image, file, err
}

// osRelease is where boot loaders take title, version and order of an image from.
func osRelease(v Version) string {
	var b strings.Builder
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", "$", `\$`)
	for _, f := range [][2]string{
		{"ID", "linux"}, {"PRETTY_NAME", v.Title},
		{"IMAGE_ID", v.Usr.Vendor}, {"IMAGE_VERSION", v.Usr.Version},
	} {
		fmt.Fprintf(&b, "%s=\"%s\"\n", f[0], quote.Replace(bls.Line(f[1])))
	}
	return b.String()
}

// opened is an image that is being read.
type opened struct {
	io.Reader
	files []io.Closer
}

// open opens all files of an image.
func open(image uki.Image, files []File) (io.ReadCloser, error) {
	var o opened
	var contents []io.Reader
	for _, f := range files {
		r, err := f.Open()
		if err != nil {
			o.Close()
			return nil, err
		}
		o.files, contents = append(o.files, r), append(contents, r)
	}
	o.Reader = image.Reader(contents...)
	return &o, nil
}

// Close closes all files.
func (o *opened) Close() error {
	for _, f := range o.files {
		f.Close()
	}
	return nil
}
