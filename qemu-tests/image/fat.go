package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
)

// fillFAT makes a FAT32 and copies into it what Populate puts into a directory.
func (p Partition) fillFAT(f *os.File, e extent) error {
	if p.FSUUID != "" {
		return errors.New("a FAT cannot be given a UUID")
	}
	fat, err := fat32.Create(
		file.New(f, false), e.size, e.offset, int64(e.sectorSize), p.FSLabel, false)
	if err != nil {
		return fmt.Errorf("make FAT: %w", err)
	}
	if p.Populate == nil {
		return nil
	}
	dir, err := os.MkdirTemp("", "fat")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := p.Populate(dir); err != nil {
		return err
	}
	return copyToFAT(fat, os.DirFS(dir))
}

// copyToFAT copies directories and files; FAT has nothing else.
func copyToFAT(fat *fat32.FileSystem, tree fs.FS) error {
	return fs.WalkDir(tree, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || path == ".":
			return err
		case d.IsDir():
			return fat.Mkdir(path)
		case d.Type().IsRegular():
			return copyFileToFAT(fat, tree, path)
		}
		return fmt.Errorf("copy %q to FAT: neither file nor directory", path)
	})
}

// copyFileToFAT copies one file, into a directory that is there already.
func copyFileToFAT(fat *fat32.FileSystem, tree fs.FS, path string) error {
	src, err := tree.Open(path)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := fat.OpenFile(path, os.O_CREATE|os.O_RDWR)
	if err != nil {
		return fmt.Errorf("copy %q to FAT: %w", path, err)
	}
	_, err = io.Copy(dst, src)
	if err := errors.Join(err, dst.Close()); err != nil {
		return fmt.Errorf("copy %q to FAT: %w", path, err)
	}
	return nil
}
