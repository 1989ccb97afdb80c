package guest

import (
	"fmt"
	"os"
	"path/filepath"
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
