package image

import (
	"fmt"
	"io/fs"
	"math"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/source"
)

// SpaceError says that a pool is too small for a source.
type SpaceError struct {
	Size    int64 // of the pool, in bytes
	Missing int64 // bytes, by how far it came; 0 if that is not known
	Err     error
}

// Error says how much is missing.
func (e *SpaceError) Error() string {
	missing := "more"
	if e.Missing > 0 {
		missing = fmt.Sprintf("about %d MiB more", (e.Missing+mib-1)/mib)
	}
	return fmt.Sprintf("%v: the pool has %d MiB and needs %s", e.Err, e.Size/mib, missing)
}

// Unwrap returns the cause, which is ENOSPC.
func (e *SpaceError) Unwrap() error { return e.Err }

// BootSpaceError says that an EFI system partition is too small for what boots.
type BootSpaceError struct {
	Size, Need int64 // bytes: what it has, and what it has to have
}

// Error says how large it has to be.
func (e *BootSpaceError) Error() string {
	return fmt.Sprintf("kernels and initramfs need an EFI system partition of %d MiB, %d more than it has",
		e.Need/mib+1, (e.Need-e.Size)/mib+1)
}

// noSpace makes an ENOSPC a *SpaceError, if it is the pool that is full.
func (s *stage) noSpace(err error, missing int64) error {
	if s.plain {
		return fmt.Errorf("%w: have TMPDIR name a directory with more room than %s", err, s.pool.Name())
	}
	return &SpaceError{Size: s.size(), Missing: missing, Err: err}
}

// size is that of the pool, in bytes; 0 if it cannot be found out.
func (s *stage) size() int64 {
	var st unix.Statfs_t
	if unix.Fstatfs(int(s.pool.Fd()), &st) != nil {
		return 0
	}
	return int64(st.Blocks) * st.Bsize
}

// missing is how much more room a source needs, of which some was read when the pool was
// full: what is left of it will take as much as what is there did. 0 is not known.
func (s *stage) missing(src *source.Source, read int64) int64 {
	total, most := src.Size(), int64(math.MaxInt64)
	if src.Kind == source.Directory {
		total = treeSize(src.Path)
		most = total - read // nothing grows on the way
	}
	if read <= 0 || read >= total {
		return 0
	}
	return min(most, int64(float64(s.size())*float64(total-read)/float64(read)))
}

// builtInitramfs is more than an initramfs that is built takes, in bytes.
const builtInitramfs = 64 * mib

// additions is how much room all takes that is added to what was unpacked, at most.
func (s *stage) additions() (total int64) {
	total = builtInitramfs
	for _, path := range []string{s.options.Tool, s.options.Initramfs} {
		if info, err := os.Stat(path); err == nil {
			total += info.Size()
		}
	}
	if from := s.options.KernelFrom; from != "" {
		total += treeSize(from)
	}
	return total
}

// treeSize adds up the files of a directory, as far as they can be read.
func treeSize(dir string) (total int64) {
	_ = fs.WalkDir(os.DirFS(dir), ".", func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	return total
}
