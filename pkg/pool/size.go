package pool

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// Size is what the files of a member take on the disk, in bytes. What they need of
// metadata is not in it, and compressed files count as if they were not.
type Size struct {
	Total  uint64 // what the files refer to
	Shared uint64 // of that, what others refer to as well: a version, a clone, the factory
}

// Exclusive is what deleting the member would free.
func (s Size) Exclusive() uint64 { return s.Total - s.Shared }

// maxLinked bounds the memory for files with several names. Beyond it, a file counts
// for each of its names.
const maxLinked = 1 << 20

// Measure adds up the files of a member and of the subvolumes in it. It asks the kernel
// about each file, which takes about a second for 20,000 of them, and calls counted
// after each with what there is so far. What is deleted meanwhile does not count.
//
// Quota groups would have the numbers ready, but slow down every commit of whoever has
// them, and no pool has to.
func Measure(pool *os.File, entry string, counted func(bytes uint64)) (Size, error) {
	dir, err := rootfs.OpenDir(pool, entry)
	if err != nil {
		return Size{}, err
	}
	defer dir.Close()
	m := meter{files: rootfs.FS(dir), linked: map[inode]bool{}, counted: counted}
	err = fs.WalkDir(m.files, ".", m.visit)
	return m.size, err
}

// inode tells a file from all others. Each subvolume has a device number of its own.
type inode struct{ device, number uint64 }

// meter is a measurement on its way.
type meter struct {
	files   fs.FS
	size    Size
	linked  map[inode]bool // files with several names that were counted
	counted func(bytes uint64)
}

// visit counts a regular file. Nothing else is opened: a device would notice.
func (m *meter) visit(name string, entry fs.DirEntry, err error) error {
	if err == nil && entry.Type().IsRegular() {
		err = m.add(name)
	}
	if errors.Is(err, fs.ErrNotExist) { // it is in use
		return nil
	}
	return err
}

func (m *meter) add(name string) error {
	file, err := m.files.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if m.wasCounted(info) {
		return nil
	}
	total, shared, err := btrfs.Extents(file.(*os.File))
	m.size.Total += total
	m.size.Shared += shared
	m.counted(m.size.Total)
	return err
}

// wasCounted says whether a file was counted by another of its names.
func (m *meter) wasCounted(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Nlink < 2 {
		return false
	}
	key := inode{uint64(st.Dev), st.Ino}
	before := m.linked[key]
	if len(m.linked) < maxLinked {
		m.linked[key] = true
	}
	return before
}
