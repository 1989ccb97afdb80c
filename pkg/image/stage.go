package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// Where a golden master is prepared: a directory of the pool that is freshroot's own,
// and in it the tree, whose usr is a subvolume.
const (
	stagingDir = ".freshroot/staging"
	treeDir    = "tree"
	usrDir     = "usr"
)

// stage is a golden master in the making.
type stage struct {
	options FillOptions
	filled  Filled
	plain   bool // pool is a directory of any file system, of which a pool is made later

	pool *os.File // the top level
	dir  *os.File // of this stage: for root only, as files in it have their final modes
	tree *os.File // what was unpacked
	root *os.Root // the same, for names that are not trusted
}

// begin makes a place to work at, in the place of what a run that was killed may have
// left.
func (s *stage) begin() error {
	if err := s.clear(); err != nil {
		return err
	}
	top, err := os.OpenRoot(self(s.pool))
	if err != nil {
		return err
	}
	defer top.Close()
	if err := top.MkdirAll(s.path(treeDir), 0o700); err != nil {
		return err
	}
	if err := s.open(); err != nil {
		return errors.Join(err, s.discard())
	}
	return nil
}

// path is that of something in the stage, below the top level.
func (s *stage) path(name string) string {
	return stagingDir + "/image:" + s.options.Usr.String() + "/" + name
}

func (s *stage) open() (err error) {
	if s.dir, err = rootfs.OpenDir(s.pool, s.path("")); err != nil {
		return err
	}
	if s.tree, err = rootfs.OpenDir(s.dir, treeDir); err != nil {
		return err
	}
	if err := s.tree.Chmod(0o755); err != nil {
		return err
	}
	if s.root, err = os.OpenRoot(self(s.tree)); err != nil {
		return err
	}
	return s.makeUsr()
}

// makeUsr makes what becomes the member.
func (s *stage) makeUsr() error {
	if s.plain {
		return s.root.Mkdir(usrDir, 0o755)
	}
	return btrfs.CreateSubvolume(s.tree, usrDir)
}

// discard removes what is left of the stage: of a good run what no golden master has,
// /boot and the like.
func (s *stage) discard() error {
	for _, f := range []*os.File{s.dir, s.tree} {
		if f != nil {
			defer f.Close()
		}
	}
	if s.root != nil {
		defer s.root.Close()
	}
	return s.clear()
}

// clear removes the stage from the disk.
func (s *stage) clear() error {
	if err := s.removeUsr(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	top, err := os.OpenRoot(self(s.pool))
	if err != nil {
		return err
	}
	defer top.Close()
	return top.RemoveAll(s.path(""))
}

// removeUsr removes a subvolume that has not become the member.
func (s *stage) removeUsr() error {
	if s.plain {
		return nil // goes with the rest
	}
	tree, err := rootfs.OpenDir(s.pool, s.path(treeDir))
	if err != nil {
		return err
	}
	defer tree.Close()
	return btrfs.DeleteSubvolume(tree, usrDir)
}

// sync writes the pool to its disk; a directory is none, and its disk has other things to write.
func (s *stage) sync() error {
	if s.plain {
		return nil
	}
	return sync(s.pool)
}

// self is a path of an open directory, for functions that take nothing else.
func self(dir *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", dir.Fd()) }

// write makes a file of the tree, in the place of what has its name. The directory is
// made if there is none.
func (s *stage) write(name string, from io.Reader, mode os.FileMode) (err error) {
	f, err := s.create(name, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}

func (s *stage) create(name string, mode os.FileMode) (*os.File, error) {
	if err := s.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return nil, err
	}
	if err := s.root.RemoveAll(name); err != nil {
		return nil, err
	}
	return s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
}
