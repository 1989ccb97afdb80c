package factory

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// copier is one copy: what its workers share.
type copier struct {
	skip  func(name string) bool
	watch func(copied int64) error
	fresh perm     // what an inode has that we make in a directory of ours
	umask uint32   // what the kernel takes away from modes
	root  *dir     // where the paths of hard links begin
	self  fileID   // the target's top: the source must not come across it
	links linkBook // the hard links whose other names are still to come

	jobs    chan *dir      // hands directories to idle workers; nil: no workers
	pending sync.WaitGroup // directories handed over and not finished
	stop    atomic.Bool    // set by the first error
	cause   error          // that error; written once, before pending is done
}

// perm is who may do what with an inode.
type perm struct{ uid, gid, mode uint32 }

// fileID tells two inodes apart.
type fileID struct{ dev, ino uint64 }

func idOf(st *unix.Stat_t) fileID { return fileID{uint64(st.Dev), st.Ino} }

func newCopier(skip func(string) bool) *copier {
	return &copier{
		skip:  skip,
		fresh: perm{uid: uint32(unix.Geteuid()), gid: uint32(unix.Getegid())},
		umask: currentUmask(),
		links: linkBook{groups: map[fileID]*linkGroup{}},
	}
}

// currentUmask reads the umask. umask(2) can only set it, which every thread
// would see. Where /proc does not tell, no bit is relied on.
func currentUmask() uint32 {
	const unknown = 0o777
	fd, err := unix.Open("/proc/self/status", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return unknown
	}
	defer closeFD(fd)
	buf := make([]byte, 1024) // it is the second line
	n, _ := unix.Read(fd, buf)
	_, rest, _ := strings.Cut(string(buf[:max(n, 0)]), "\nUmask:")
	value, _, _ := strings.Cut(rest, "\n")
	mask, err := strconv.ParseUint(strings.TrimSpace(value), 8, 32)
	if err != nil {
		return unknown
	}
	return uint32(mask)
}

// openRoot opens both tops anew: the caller's descriptors may be O_PATH, or
// stand somewhere in the middle of the directory.
func (c *copier) openRoot(dst, src int) (*dir, error) {
	from, err := openat(src, ".", dirFlags|unix.O_NOATIME, 0)
	if err != nil {
		return nil, fmt.Errorf("open factory: %w", err)
	}
	to, err := openat(dst, ".", dirFlags, 0)
	if err != nil {
		closeFD(from)
		return nil, fmt.Errorf("open target of factory: %w", err)
	}
	c.root = &dir{src: from, dst: to}
	if err := c.enterExisting(c.root); err != nil {
		c.root.close()
		return nil, fmt.Errorf("open target of factory: %w", err)
	}
	c.self = c.root.fs.top
	return c.root, nil
}

// parallel copies with several workers. Each goes down its tree alone, as the
// sequential copy does, and hands a directory over whenever another one is
// idle at that moment. So there is no queue that could grow, and nobody waits
// for a worker who waits.
func (c *copier) parallel(root *dir, workers int) (Stats, error) {
	c.jobs = make(chan *dir)
	results := make(chan Stats) // each worker's own, so that none waits to count
	for range workers {
		go func() { results <- c.work() }()
	}
	c.pending.Add(1)
	c.jobs <- root
	c.pending.Wait()
	close(c.jobs)
	var total Stats
	for range workers {
		total.add(<-results)
	}
	return total, c.cause
}

// work copies the directories that others hand over.
func (c *copier) work() Stats {
	w := c.newWorker()
	for d := range c.jobs {
		// Only the first who sets stop writes the cause; that the others
		// were stopped is no news.
		if err := w.tree(d); err != nil && c.stop.CompareAndSwap(false, true) {
			c.cause = err
		}
		c.pending.Done()
	}
	return w.Stats
}

// errStopped ends a worker after another one has failed.
var errStopped = errors.New("stopped")

// handOver gives a directory to an idle worker, if there is one.
func (c *copier) handOver(d *dir) bool {
	c.pending.Add(1)
	select {
	case c.jobs <- d:
		return true
	default: // also without workers: nobody receives from a nil channel
		c.pending.Done()
		return false
	}
}
