package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/factory"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/source/tree"
)

// copyTree copies a directory. What it finds in the target are directories only, which
// pkg/factory would leave as they are: they and the top get their attributes at the end.
func copyTree(ctx context.Context, dir, from *os.File, o Options) (Stats, error) {
	existing, err := subdirectories(dir)
	if err != nil {
		return Stats{}, err
	}
	m := meter{report: o.Progress} // the workers call at once
	copied, err := factory.Copy(dir, from, factory.Options{
		Skip: func(name string) bool { return slices.Contains(tree.MountPoints[:], name) },
		Watch: func(n int64) error {
			m.add(n)
			return ctx.Err()
		},
	})
	stats := Stats{
		Dirs: copied.Dirs, Files: copied.Files, Links: copied.Links, Others: copied.Others,
		Bytes: copied.Bytes, LostXattrs: copied.LostXattrs, SplitLinks: copied.SplitLinks,
	}
	if err != nil {
		return stats, err
	}
	if copied.Kept > 0 { // more than directories
		return stats, fmt.Errorf("the target is not empty: %q", copied.Conflicts)
	}
	for _, name := range append(existing, tree.MountPoints[:]...) {
		if err := copyDirectory(dir, from, name); err != nil {
			return stats, err
		}
	}
	return stats, factory.CopyAttributes(dir, from)
}

// subdirectories returns the names of the directories in dir.
func subdirectories(dir *os.File) ([]string, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/self/fd/%d", dir.Fd()))
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// copyDirectory makes dir have a directory that from has, and completes it, but not
// what is below.
func copyDirectory(dir, from *os.File, name string) error {
	src, err := rootfs.OpenDir(from, name)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil // the source has none
	}
	if err != nil {
		return err
	}
	defer src.Close()
	err = unix.Mkdirat(int(dir.Fd()), name, 0o700)
	if err != nil && err != unix.EEXIST {
		return fmt.Errorf("make directory %q: %w", name, err)
	}
	dst, err := rootfs.OpenDir(dir, name)
	if err != nil {
		return err
	}
	defer dst.Close()
	return factory.CopyAttributes(dst, src)
}

// meter adds up what several goroutines have read.
type meter struct {
	sync.Mutex
	read   int64
	report func(int64)
}

// add tells that n more bytes were read.
func (m *meter) add(n int64) {
	m.Lock()
	defer m.Unlock()
	m.read += n
	m.report(m.read)
}
