package image

import (
	"errors"
	"fmt"
	"os"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"
)

// signature begins a GPT header.
const signature = "EFI PART"

// locate finds a partition in the image's table, or the whole disk for 0.
func locate(f *os.File, part int) (extent, error) {
	sectorSize, size, err := geometry(f)
	if err != nil {
		return extent{}, err
	}
	if part == 0 {
		return extent{size: size, sectorSize: sectorSize}, nil
	}
	table, err := gpt.Read(file.New(f, true), sectorSize, sectorSize)
	if err != nil {
		return extent{}, fmt.Errorf("read table: %w", err)
	}
	for _, p := range table.Partitions {
		if p.Index == part && p.Type != gpt.Unused {
			return extent{p.GetStart(), p.GetSize(), sectorSize}, nil
		}
	}
	return extent{}, fmt.Errorf("there is no partition %d", part)
}

// geometry returns the sector size and the size of an image. The sector size is
// seen by where one of the two headers is.
func geometry(f *os.File) (sectorSize int, size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	size = info.Size()
	for _, sectorSize := range []int{512, 4096} {
		for _, at := range headers(sectorSize, size) {
			got := make([]byte, len(signature))
			// Past the end there is no header either.
			_, _ = f.ReadAt(got, at)
			if string(got) == signature {
				return sectorSize, size, nil
			}
		}
	}
	return 0, 0, errors.New("no GPT header, neither primary nor backup")
}

// headers returns the offsets of the primary and the backup header.
func headers(sectorSize int, size int64) []int64 {
	return []int64{int64(sectorSize), size - int64(sectorSize)}
}
