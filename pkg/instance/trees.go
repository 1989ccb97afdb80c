package instance

import (
	"fmt"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/merge"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// trees reads what is merged, from three directories. Each path is opened from the top,
// without following a link: so no directory stays open while the merge goes down, and
// none can be swapped for a link on the way.
type trees struct {
	roots [3]*os.File // by merge.Side
	cmp   comparer
}

// newTrees makes the three trees; base may be nil.
func newTrees(base, mine, theirs *os.File) merge.Trees {
	t := &trees{roots: [3]*os.File{merge.Base: base, merge.Mine: mine, merge.Theirs: theirs}}
	return merge.Trees{NoBase: base == nil, List: t.list, Same: t.same}
}

// notMerged are names at the top of /etc that are not the vendor's to bring: the
// stamps, ours and those of systemd-update-done.
func notMerged(name string) bool { return isOwn(name) || name == updated }

// list returns the entries of a directory. A directory of mine that is immutable
// cannot be changed inside: it is left whole.
func (t *trees) list(side merge.Side, name string) ([]merge.Entry, error) {
	dir, err := rootfs.OpenDir(t.roots[side], name)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	list, err := dir.ReadDir(-1)
	if err != nil {
		return nil, fmt.Errorf("list %q: %w", dir.Name(), err)
	}
	entries := make([]merge.Entry, 0, len(list))
	for _, e := range list {
		if name == "." && notMerged(e.Name()) {
			continue
		}
		entry := merge.Entry{Name: e.Name(), Type: merge.Leaf}
		if e.IsDir() && !(side == merge.Mine && isFixed(dir, e.Name())) {
			entry.Type = merge.Directory
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

// isFixed says whether an entry is immutable or can only be appended to. Where the kernel
// does not tell, it is not.
func isFixed(dir *os.File, name string) bool {
	var st unix.Statx_t
	err := unix.Statx(int(dir.Fd()), name, unix.AT_SYMLINK_NOFOLLOW, 0, &st)
	return err == nil && st.Attributes&fixed != 0
}

// same compares what two sides have at a path. Where both are one tree, nothing is read.
func (t *trees) same(a, b merge.Side, name string) (bool, error) {
	if t.roots[a] == t.roots[b] {
		return true, nil
	}
	x, err := openInode(t.roots[a], name)
	if err != nil {
		return false, err
	}
	defer x.close()
	y, err := openInode(t.roots[b], name)
	if err != nil {
		return false, err
	}
	defer y.close()
	same, err := t.cmp.same(x, y)
	if err != nil {
		return false, fmt.Errorf("compare %q with %q: %w", path.Join(t.roots[a].Name(), name),
			path.Join(t.roots[b].Name(), name), err)
	}
	return same, nil
}
