package image

import (
	"os"

	"github.com/freshroot/freshroot/pkg/device"
)

// extent is a range of an image, in bytes.
type extent struct {
	offset, size int64
	sectorSize   int
}

// attach makes a loop device of a range of f. The size is always given: without, a
// mkfs would run past the partition.
func attach(f *os.File, e extent, ro bool) (*os.File, error) {
	return device.AttachLoop(f, device.Range{
		Offset: e.offset, Size: e.size, SectorSize: e.sectorSize, Writable: !ro,
	})
}
