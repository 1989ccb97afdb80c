package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Tree is a built userland.
type Tree struct {
	Dir string // has usr/, and nothing else that belongs to the guest

	// Kernel is the one that usr/lib/modules belongs to. Busybox has none.
	Kernel *Kernel
}

// file is a text to be put into a tree.
type file struct {
	path    string
	mode    os.FileMode
	content string
}

// writeFiles adds files, with their directories, to the tree at dir.
func writeFiles(dir string, files ...file) error {
	for _, f := range files {
		path := filepath.Join(dir, f.path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(f.content), f.mode); err != nil {
			return err
		}
		// Again, as the umask had its say.
		if err := os.Chmod(path, f.mode); err != nil {
			return fmt.Errorf("chmod: %w", err)
		}
	}
	return nil
}

// edit replaces a text in a file of a tree.
type edit struct{ path, old, new string }

// apply edits the tree at dir. What is not there once is an error: the file is not the
// one that the edit was made for.
func (e edit) apply(dir string) error {
	path := filepath.Join(dir, e.path)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if n := strings.Count(string(text), e.old); n != 1 {
		return fmt.Errorf("edit %s: %q is there %d times", path, e.old, n)
	}
	text = []byte(strings.Replace(string(text), e.old, e.new, 1))
	return os.WriteFile(path, text, 0o644) // keeps the mode that it has
}
