// Package factory copies a factory tree, such as /usr/share/factory, onto a
// new root.
//
// The copy is whole: owners, modes, times to the nanosecond, extended
// attributes (so POSIX ACLs, file capabilities and security labels), symbolic
// and hard links, holes, FIFOs, sockets and device nodes. On one btrfs, files
// share their extents with the factory. Inode flags (chattr) are not copied.
//
// What exists on the target is never overwritten. A directory that exists is
// descended into and keeps its owner, mode and attributes; anything else that
// exists is kept as it is, and noted as a conflict when it is of another type.
//
// Neither side can lead the copy out of its tree. Every step names one
// component below a directory descriptor, never a path; no step follows a
// symbolic link; every name is created by a call that fails when it exists.
// A directory made here stays root's alone until it is full.
//
// It refuses trees deeper than 500 directories, which bounds the open files,
// and copying a tree into itself. The memory it needs does not depend on the
// size of the tree.
//
// Copy needs root (CAP_CHOWN, CAP_FOWNER, CAP_MKNOD, CAP_SYS_ADMIN for
// trusted attributes, CAP_DAC_READ_SEARCH for hard links), Linux 5.8 and, for
// symbolic links and nodes, /proc. It leaves the umask and the working
// directory alone; with a umask of 0 it saves a call per file.
//
// See openat(2), xattr(7), acl(5), ioctl_ficlone(2) and lseek(2).
package factory

import (
	"os"
	"runtime"
	"slices"
)

// maxWorkers keeps the open directories below the 4096 descriptors that the
// kernel gives PID 1: workers * maxDepth * two sides.
const maxWorkers = 4

// Options says how to copy. The zero value is good.
type Options struct {
	// Workers is how many goroutines copy: 0 is one per CPU, 1 is none
	// beside the caller's. More than four are not started.
	Workers int
	// Skip, if set, is asked for every name at the top of the tree whether
	// to leave it out. One goroutine asks.
	Skip func(name string) bool
	// Watch, if set, is called before each entry with the bytes of files that the
	// worker has copied since it called last. An error stops the copy, and is
	// returned as it is. Several goroutines call at once.
	Watch func(copied int64) error
}

// Stats tells what was done.
type Stats struct {
	Dirs   int   // directories made
	Files  int   // regular files made
	Links  int   // names that became hard links to one of the others
	Others int   // symbolic links, FIFOs, sockets and device nodes made
	Bytes  int64 // sum of the sizes of Files
	Kept   int   // entries other than directories that existed already

	// Conflicts describes the first entries that were left alone because a
	// thing of another type is in their place. They are counted in Kept.
	Conflicts []string
	// LostXattrs counts the attributes that the target cannot store.
	LostXattrs int
	// SplitLinks counts the names that should have become hard links and
	// are files of their own: their other names are on another file system,
	// were replaced meanwhile, or are too many to remember.
	SplitLinks int
}

// maxConflicts bounds Stats.Conflicts; a hostile target has as many as it likes.
const maxConflicts = 20

// Copy copies the tree below src into the directory dst. What exists in dst
// is never overwritten, dst itself is left as it is.
//
// The first error stops the copy. What was made by then stays, whole files
// only; a directory that was not completed has mode 0700. The error names the
// entry, and wraps the errno: errors.Is(err, unix.ENOSPC) is a full target.
func Copy(dst, src *os.File, opts Options) (Stats, error) {
	c := newCopier(opts.Skip)
	c.watch = opts.Watch
	root, err := c.openRoot(int(dst.Fd()), int(src.Fd()))
	runtime.KeepAlive(dst)
	runtime.KeepAlive(src)
	if err != nil {
		return Stats{}, err
	}
	defer root.close()
	workers := opts.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	if workers > 1 {
		return c.parallel(root, min(workers, maxWorkers))
	}
	w := c.newWorker()
	err = w.tree(root)
	var stats Stats
	stats.add(w.Stats)
	return stats, err
}

// add adds what a worker did. However many there are, the order is the same.
func (s *Stats) add(o Stats) {
	s.Dirs += o.Dirs
	s.Files += o.Files
	s.Links += o.Links
	s.Others += o.Others
	s.Bytes += o.Bytes
	s.Kept += o.Kept
	s.LostXattrs += o.LostXattrs
	s.SplitLinks += o.SplitLinks
	s.Conflicts = append(s.Conflicts, o.Conflicts...)
	slices.Sort(s.Conflicts)
	s.Conflicts = s.Conflicts[:min(len(s.Conflicts), maxConflicts)]
}
