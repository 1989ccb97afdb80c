package esp

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/freshroot/freshroot/pkg/program"
)

// leastClusters is how many clusters a FAT has to have to be a FAT32 (Microsoft, FAT32
// File System Specification 1.03, "FAT Type Determination").
const leastClusters = 65525

// LeastFAT returns the smallest size of a FAT32 in bytes: 33 MiB with sectors of 512
// bytes, 257 MiB with such of 4096.
func LeastFAT(sectorSize int) int64 {
	const mib, reserved, tables, entry = 1 << 20, 32, 2, 4
	sectors := int64(leastClusters + reserved)
	sectors += tables * (leastClusters*entry/int64(sectorSize) + 1)
	return (sectors*int64(sectorSize) + mib - 1) / mib * mib
}

// MakeFAT makes a FAT32 in a range of an image, or of a block device, and copies a
// directory's content into it, with neither privileges nor the kernel's driver. offset
// and size are bytes, sectorSize is 512 or 4096. The image is opened by its name again.
//
// FAT has the label in capitals. If SOURCE_DATE_EPOCH is set, the same tree, id and label give the same bytes.
func MakeFAT(ctx context.Context, image *os.File, offset, size int64, sectorSize int,
	tree string, id uint32, label string,
) error {
	switch least := LeastFAT(sectorSize); {
	case offset%int64(sectorSize) != 0:
		return fmt.Errorf("make FAT: the offset %d is in the middle of a sector", offset)
	case size < least:
		return fmt.Errorf(
			"make FAT: %d bytes are too few: a FAT32 with sectors of %d bytes has at least %d MiB",
			size, sectorSize, least>>20)
	}
	mkfs := []string{
		"-F", "32", "-I", "--invariant", "-i", fmt.Sprintf("%08x", id),
		"-S", strconv.Itoa(sectorSize), "-s", strconv.Itoa(sectorsPerCluster(size, sectorSize)),
		"--offset", strconv.FormatInt(offset/int64(sectorSize), 10),
	}
	if label != "" {
		mkfs = append(mkfs, "-n", strings.ToUpper(label))
	}
	mkfs = append(mkfs, image.Name(), strconv.FormatInt(size/1024, 10))
	if err := program.Run(ctx, nil, "mkfs.fat", mkfs...); err != nil {
		return fmt.Errorf("make FAT: %w", err)
	}
	if err := copyTree(ctx, fmt.Sprintf("%s@@%d", image.Name(), offset), tree); err != nil {
		return fmt.Errorf("fill FAT: %w", err)
	}
	return nil
}

// sectorsPerCluster is what mkfs.fat has by default for a FAT32 that fills its device: of
// itself, it goes by the size of the whole image.
func sectorsPerCluster(size int64, sectorSize int) int {
	cluster := 32 << 10
	for _, c := range []struct{ upTo, cluster int }{
		{32 << 10, 16 << 10}, {16 << 10, 8 << 10}, {8 << 10, 4 << 10}, {260, 512},
	} {
		if size <= int64(c.upTo)<<20 {
			cluster = c.cluster
		}
	}
	return max(cluster/sectorSize, 1)
}

// ReadFAT copies what is in a FAT, in a range of an image as for [MakeFAT], to a directory
// that exists and is empty.
func ReadFAT(ctx context.Context, image *os.File, offset int64, dir string) error {
	drive := fmt.Sprintf("%s@@%d", image.Name(), offset)
	if err := program.Run(ctx, mtools, "mcopy", "-s", "-n", "-Q", "-i", drive, "::/", dir); err != nil {
		return fmt.Errorf("read FAT: %w", err)
	}
	return nil
}

// mtools is the environment in which mtools do the same everywhere: configuration could
// say otherwise, and FAT has local time.
var mtools = []string{"MTOOLSRC=/dev/null", "TZ=UTC"}

// copyTree copies a tree, in the order of its names. mcopy could do it at once, but in
// the order that the file system of the tree happens to have.
func copyTree(ctx context.Context, drive, tree string) error {
	dirs, files, err := listTree(tree)
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if dir != "." {
			if err := program.Run(ctx, mtools, "mmd", "-i", drive, "::/"+dir); err != nil {
				return err
			}
		}
		if len(files[dir]) == 0 {
			continue
		}
		args := append([]string{"-Q", "-i", drive}, files[dir]...)
		if err := program.Run(ctx, mtools, "mcopy", append(args, "::/"+dir+"/")...); err != nil {
			return err
		}
	}
	return nil
}

// listTree returns the directories of a tree, each behind the one that it is in, and the
// paths of the files in them. FAT has nothing else.
func listTree(tree string) (dirs []string, files map[string][]string, err error) {
	files = map[string][]string{}
	err = fs.WalkDir(os.DirFS(tree), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir():
			dirs = append(dirs, name)
		case e.Type().IsRegular():
			parent := path.Dir(name)
			files[parent] = append(files[parent], filepath.Join(tree, name))
		default:
			return fmt.Errorf("%q is neither file nor directory", name)
		}
		return nil
	})
	return dirs, files, err
}
