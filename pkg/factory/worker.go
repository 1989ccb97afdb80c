package factory

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Sizes of a worker's buffers. The largest list of attributes and the largest
// value that Linux has, 64 KiB each, fit into the data buffer together.
const (
	dataSize = 128 << 10
	listSize = 64 << 10
	// One buffer of names per level: 2 MB for the deepest tree.
	namesSize = 4 << 10
)

// worker copies directories, one after the other.
type worker struct {
	*copier
	Stats
	told int64    // how many of Bytes the watcher knows of
	buf  []byte   // file content, or attributes
	free [][]byte // buffers of names that no level uses now
}

func (c *copier) newWorker() *worker {
	return &worker{copier: c, buf: make([]byte, dataSize)}
}

// tree copies the content of d and all below, completes d and closes it.
func (w *worker) tree(d *dir) error {
	if d.parent != nil { // the top is wanted until the last hard link is made
		defer d.close()
	}
	if err := w.list(d); err != nil {
		return err
	}
	if !d.made {
		return nil
	}
	// Now: its entries changed its time, its default ACL would have been
	// inherited, its owner may not get in earlier. Directories handed to
	// other workers are entries already; their content changes nothing here.
	have := perm{w.fresh.uid, w.fresh.gid, 0o700}
	src, dst := handle{fd: d.src}, handle{fd: d.dst}
	if err := w.setAttributes(dst, src, &d.st, have); err != nil {
		return d.parent.fail(d.name, err)
	}
	return nil
}

// list copies the entries of d, a buffer of names at a time.
func (w *worker) list(d *dir) error {
	// The levels above still read theirs: each has its own buffer. A level
	// that ends leaves it to the next.
	names := w.takeNames()
	defer func() { w.free = append(w.free, names) }()
	for {
		n, err := unix.Getdents(d.src, names)
		if err != nil {
			return d.fail(".", fmt.Errorf("read directory: %w", err))
		}
		if n == 0 {
			return nil
		}
		if err := w.entries(d, names[:n]); err != nil {
			return err
		}
	}
}

// takeNames takes a buffer that is free, or makes one.
func (w *worker) takeNames() []byte {
	last := len(w.free) - 1
	if last < 0 {
		return make([]byte, namesSize)
	}
	names := w.free[last]
	w.free = w.free[:last]
	return names
}

// entries copies the entries of one buffer.
func (w *worker) entries(d *dir, block []byte) error {
	for len(block) > 0 {
		e, rest, err := nextDirent(block)
		if err != nil {
			return d.fail(".", err)
		}
		block = rest
		// Asked at every entry: after an error nothing more is made, however
		// large the directory is.
		if w.stop.Load() {
			return errStopped
		}
		if w.leaveOut(d, e.name) {
			continue
		}
		if err := w.report(); err != nil {
			return err
		}
		if err := w.entry(d, e); err != nil {
			return err
		}
	}
	return nil
}

// report tells the watcher, if there is one, how far the copy is.
func (w *worker) report() error {
	if w.watch == nil {
		return nil
	}
	copied := w.Bytes - w.told
	w.told = w.Bytes
	return w.watch(copied)
}

// leaveOut tells which names are not copied. Below the top nobody is asked: it
// would cost a call for each of many files.
func (w *worker) leaveOut(d *dir, name string) bool {
	if name == "." || name == ".." {
		return true
	}
	return d.parent == nil && w.skip != nil && w.skip(name)
}

// entry copies one entry of d, whatever it is.
func (w *worker) entry(d *dir, e dirent) error {
	if e.kind == unix.DT_UNKNOWN { // some file systems do not tell
		var st unix.Stat_t
		err := unix.Fstatat(d.src, e.name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if err != nil {
			return d.fail(e.name, fmt.Errorf("stat: %w", err))
		}
		e.kind = byte(st.Mode & unix.S_IFMT >> 12)
	}
	if e.kind != unix.DT_DIR {
		return w.leaf(d, e)
	}
	// It is made here, not by the worker who gets it: what changes the time of
	// d has to be done before d is completed.
	child, err := w.open(d, e.name)
	if err != nil {
		return d.fail(e.name, err)
	}
	if child == nil || w.handOver(child) {
		return nil
	}
	return w.tree(child)
}
