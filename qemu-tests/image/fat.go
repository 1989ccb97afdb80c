package image

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"

	"github.com/freshroot/freshroot/pkg/esp"
)

// fillFAT makes a FAT32 and copies into it what Populate puts into a directory.
func (p Partition) fillFAT(f *os.File, e extent) error {
	if p.FSUUID != "" {
		return errors.New("a FAT cannot be given a UUID")
	}
	dir, err := os.MkdirTemp("", "fat")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if p.Populate != nil {
		if err := p.Populate(dir); err != nil {
			return err
		}
	}
	return esp.MakeFAT(context.Background(), f, e.offset, e.size, e.sectorSize, dir,
		rand.Uint32(), p.FSLabel)
}
