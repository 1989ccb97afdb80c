package image

import (
	"fmt"
	"os"
)

// CorruptPrimary overwrites the primary GPT header with zeros; the backup stays.
func CorruptPrimary(path string) error {
	return damage(path, func(f *os.File, sectorSize int, size int64) error {
		_, err := f.WriteAt(make([]byte, sectorSize), headers(sectorSize, size)[0])
		return err
	})
}

// CorruptBackup overwrites the backup GPT header with zeros; the primary stays.
func CorruptBackup(path string) error {
	return damage(path, func(f *os.File, sectorSize int, size int64) error {
		_, err := f.WriteAt(make([]byte, sectorSize), headers(sectorSize, size)[1])
		return err
	})
}

// CorruptHeaders leaves neither header, only the protective MBR.
func CorruptHeaders(path string) error {
	return damage(path, func(f *os.File, sectorSize int, size int64) error {
		for _, at := range headers(sectorSize, size) {
			if _, err := f.WriteAt(make([]byte, sectorSize), at); err != nil {
				return err
			}
		}
		return nil
	})
}

// CorruptEntries flips one bit of the first primary entry, in its type GUID: only
// the checksum tells.
func CorruptEntries(path string) error {
	return damage(path, func(f *os.File, sectorSize int, _ int64) error {
		// The entries follow the header.
		at := 2 * int64(sectorSize)
		b := make([]byte, 1)
		if _, err := f.ReadAt(b, at); err != nil {
			return err
		}
		b[0] ^= 1
		_, err := f.WriteAt(b, at)
		return err
	})
}

// Truncate cuts the disk off, as if it were smaller than when it was partitioned.
func Truncate(path string, sizeMiB int) error {
	if err := os.Truncate(path, int64(sizeMiB)*mib); err != nil {
		return fmt.Errorf("corrupt image: %w", err)
	}
	return nil
}

// damage opens an image for one of the above. The sector size, which says where things
// are, comes from the header that is left.
func damage(
	path string, how func(f *os.File, sectorSize int, size int64) error,
) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("corrupt image: %w", err)
	}
	defer f.Close()
	sectorSize, size, err := geometry(f)
	if err == nil {
		err = how(f, sectorSize, size)
	}
	if err != nil {
		return fmt.Errorf("corrupt image %s: %w", path, err)
	}
	return f.Close()
}
