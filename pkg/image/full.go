package image

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// FullError says that there is no room where an image is written.
type FullError struct {
	Path string // of the image
	Free int64  // bytes that are left
	Err  error  // what came of it
}

// Error leaves out what came of it: a disk that takes nothing any more.
func (e *FullError) Error() string {
	return fmt.Sprintf("write %s: the file system that it is written to is full, %d MiB are free: "+
		"make room there, or have the image on another one", e.Path, e.Free/mib)
}

// Unwrap returns what came of it.
func (e *FullError) Unwrap() error { return e.Err }

// fullBelow is how much room may be left on a file system that is full: it is not given away
// byte by byte.
const fullBelow = 16 * mib

// explain makes an error that comes of a full file system a *FullError. To a file system in
// an image, which is larger than what there is of it, the image is a disk that fails.
func (o *output) explain(err error) error {
	fails := errors.Is(err, unix.EIO) || errors.Is(err, unix.EROFS) || errors.Is(err, unix.ENOSPC)
	if pool := (*SpaceError)(nil); !fails || errors.As(err, &pool) {
		return err
	}
	if free, known := o.free(); known && free < fullBelow {
		return &FullError{Path: o.path, Free: free, Err: err}
	}
	return err
}

// free is how much room there is for more of it, in bytes.
func (o *output) free() (free int64, known bool) {
	var st unix.Statfs_t
	if unix.Fstatfs(int(o.Fd()), &st) != nil {
		return 0, false
	}
	blocks := st.Bavail
	if os.Geteuid() == 0 {
		blocks = st.Bfree // some are kept for root
	}
	return int64(blocks) * st.Bsize, true
}
