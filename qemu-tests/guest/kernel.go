package guest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Kernel is an unpacked kernel package.
type Kernel struct {
	Dir     string // has boot/ and lib/modules/
	Image   string // path of the bzImage
	Release string // what uname -r says when it runs
}

// FetchKernel returns the kernel the tests run: the package unpacked at
// $FRESHROOT_KERNEL, or else the one that scripts/fetch-kernel caches.
func FetchKernel(ctx context.Context) (*Kernel, error) {
	dir := os.Getenv("FRESHROOT_KERNEL")
	if dir == "" {
		var err error
		if dir, err = fetchKernel(ctx); err != nil {
			return nil, fmt.Errorf("fetch kernel: %w", err)
		}
	}
	return findKernel(dir)
}

// fetchKernel runs the script; its output is the directory, and all else it says goes
// into the error.
func fetchKernel(ctx context.Context) (string, error) {
	top, err := checkout()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(top, "scripts/fetch-kernel"))
	var out, words bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = top, &out, &words
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, words.Bytes())
	}
	return filepath.Abs(strings.TrimSpace(out.String()))
}

// findKernel reads the release off the image's name, as Debian writes it.
func findKernel(dir string) (*Kernel, error) {
	// The package has one; more would be somebody's /boot.
	const prefix = "boot/vmlinuz-"
	images, err := filepath.Glob(filepath.Join(dir, prefix+"*"))
	if err != nil {
		return nil, fmt.Errorf("find kernel in %q: %w", dir, err)
	}
	if len(images) != 1 {
		return nil, fmt.Errorf("find kernel in %q: %d files %s*, want 1",
			dir, len(images), prefix)
	}
	release := strings.TrimPrefix(images[0], filepath.Join(dir, prefix))
	return &Kernel{Dir: dir, Image: images[0], Release: release}, nil
}
