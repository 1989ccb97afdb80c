package bind

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/keep"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// What a hostile tree may cost.
const (
	maxDepth   = 128     // directories open at once
	maxEntries = 1 << 20 // names looked at for one rule
	maxFound   = 4096    // matches
	chunk      = 1024    // names read at once
)

// Find returns the paths that a rule matches in a tree, sorted, without what is beneath
// a match. No symbolic link is followed; one that matches is returned. With an error
// comes what was found until then.
func Find(root *os.File, rule keep.Rule) ([]string, error) {
	s := search{rule: rule}
	dir, err := rootfs.OpenDir(root, ".")
	if err == nil {
		err = s.walk(dir, "/", 0)
	}
	slices.Sort(s.found)
	return s.found, err
}

// search is the walk for one rule.
type search struct {
	rule  keep.Rule
	seen  int
	found []string
}

// walk looks for matches in a directory, and closes it.
func (s *search) walk(dir *os.File, at string, depth int) error {
	defer dir.Close()
	if depth > maxDepth {
		return fmt.Errorf("search %q: nested deeper than %d directories", at, maxDepth)
	}
	for {
		// In pieces: a directory may hold more names than there is memory for.
		names, err := dir.Readdirnames(chunk)
		if err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("search %q: %w", at, err)
		}
		if s.seen += len(names); s.seen > maxEntries || len(s.found) > maxFound {
			return fmt.Errorf("search %q: too many files to look at", at)
		}
		for _, name := range names {
			if err := s.visit(dir, name, path.Join(at, name), depth); err != nil {
				return err
			}
		}
	}
}

// isOther says that what was to be opened is a file, a link, or gone since it was read.
func isOther(err error) bool {
	return errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) ||
		errors.Is(err, fs.ErrNotExist)
}

// visit takes an entry if it matches, and else looks into it if that can lead to a
// match. What is beneath a match comes along with it.
func (s *search) visit(dir *os.File, name, full string, depth int) error {
	matches := s.rule.Matches(full)
	if matches && !s.rule.Dir {
		s.found = append(s.found, full)
		return nil
	}
	if !matches && !s.rule.Leads(full) {
		return nil
	}
	sub, err := rootfs.OpenDir(dir, name)
	switch {
	case isOther(err):
		return nil
	case err != nil:
		return err
	case !matches:
		return s.walk(sub, full, depth+1)
	}
	s.found = append(s.found, full)
	return sub.Close()
}
