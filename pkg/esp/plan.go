package esp

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// Action is what an operation does.
type Action string

// The actions.
const (
	Write  Action = "write"  // a file, in the place of one that is there
	Move   Action = "rename" // a file
	Remove Action = "remove" // a file, and its directory if that is ours and empty then
)

// Op is a change of the partition. It is on the disk when the next one begins, and if
// power goes meanwhile it was not begun.
type Op struct {
	Do   Action
	Path string
	To   string  // of Move
	File File    // of Write
	Sign *Signer // of Write: the file is signed first

	frees int64 // bytes that are free when it is done: of what is removed or replaced
}

// Plan is what is to be done to a partition, in this order.
type Plan struct {
	Ops      []Op
	Bytes    int64    // that have to be free, at most
	Warnings []string // for people

	Progress func(Op) // is told of each operation before Apply does it; may be nil
}

// String lists the operations, one a line, and the warnings.
func (p Plan) String() string {
	var b strings.Builder
	for _, op := range p.Ops {
		fmt.Fprintln(&b, op)
	}
	for _, warning := range p.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", warning)
	}
	return b.String()
}

// String says what is done, with sizes in bytes.
func (o Op) String() string {
	switch {
	case o.Do == Move:
		return fmt.Sprintf("%s %s to %s", o.Do, shown(o.Path), shown(o.To))
	case o.Do == Write && o.Sign != nil:
		return fmt.Sprintf("%s  %s (%d bytes, and a signature)", o.Do, shown(o.Path), o.File.Size)
	case o.Do == Write:
		return fmt.Sprintf("%s  %s (%d bytes)", o.Do, shown(o.Path), o.File.Size)
	}
	return fmt.Sprintf("%s %s", o.Do, shown(o.Path))
}

// shown is a path from a disk, quoted if it could play tricks on a terminal.
func shown(path string) string {
	if quoted := strconv.Quote(path); quoted != `"`+path+`"` {
		return quoted
	}
	return path
}

const (
	// leastCluster is the unit of space on a FAT of up to 8 GiB that mkfs.fat makes. With
	// smaller ones less is needed, but not for names.
	leastCluster = 4096
	// signature is more than a signature takes, in bytes.
	signature = 16 << 10
)

// need is how much space has to be free for operations to be done one after the other, in
// units of cluster. Directories that are made take one each.
func need(ops []Op, cluster, directories int64) (most int64) {
	used := directories * cluster
	for _, op := range ops {
		if op.Do == Write {
			size := op.File.Size
			if op.Sign != nil {
				size += signature
			}
			used += (size+cluster-1)/cluster*cluster + cluster // with a new name in its directory
			most = max(most, used)
		}
		used -= op.frees / cluster * cluster // at least
	}
	return most
}

// newDirectories counts those that operations may have to make.
func newDirectories(ops []Op, known map[string]bool) (n int64) {
	for _, op := range ops {
		if op.Do != Write {
			continue
		}
		for dir := path.Dir(op.Path); dir != "." && !known[dir]; dir = path.Dir(dir) {
			known[dir] = true
			n++
		}
	}
	return n
}
