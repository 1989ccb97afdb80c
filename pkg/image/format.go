package image

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/freshroot/freshroot/pkg/program"
)

// Format is how an image is stored.
type Format string

// The formats. All but Raw are written by qemu-img.
const (
	Raw   Format = "raw"
	Qcow2 Format = "qcow2"
	VMDK  Format = "vmdk"
	VHDX  Format = "vhdx"
)

// ParseFormat reads the name of a format.
func ParseFormat(name string) (Format, error) {
	formats := []Format{Raw, Qcow2, VMDK, VHDX}
	if slices.Contains(formats, Format(name)) {
		return Format(name), nil
	}
	return "", fmt.Errorf("format %q: there are %s", name, formats)
}

// convert writes an image in another format to a file that is there.
func convert(ctx context.Context, from, to *os.File, format Format) error {
	return program.Run(ctx, nil, "qemu-img", "convert", "-f", "raw",
		"-O", string(format), from.Name(), to.Name())
}
