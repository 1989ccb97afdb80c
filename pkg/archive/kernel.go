package archive

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/freshroot/freshroot/pkg/version"
)

// Kernel is a kernel release whose modules are on this machine.
type Kernel struct {
	Release string
	Dir     string // with modules.dep
}

// NoModulesError is returned by [FindKernel] if there are no modules for a release.
type NoModulesError struct {
	Release string // empty if any would do
	Root    string
	Have    []string // releases that there are modules for, newest first
}

// Error lists what there is instead: most often the release is misspelt, or is that
// of a kernel that an upgrade has replaced.
func (e *NoModulesError) Error() string {
	what := "no modules"
	if e.Release != "" {
		what += " for " + e.Release
	}
	if len(e.Have) == 0 {
		return what + " below " + e.Root
	}
	return what + " below " + e.Root + "; there are: " + strings.Join(e.Have, ", ")
}

// FindKernel finds the modules of a release below a root directory, in usr/lib/modules
// or lib/modules. If release is empty, it is that of the running kernel, or the newest.
func FindKernel(root, release, running string) (Kernel, error) {
	kernels, err := findKernels(root)
	if err != nil {
		return Kernel{}, err
	}
	for _, k := range kernels {
		if k.Release == cmp.Or(release, running) {
			return k, nil
		}
	}
	if release == "" && len(kernels) > 0 {
		return kernels[0], nil
	}
	missing := &NoModulesError{Release: release, Root: root}
	for _, k := range kernels {
		missing.Have = append(missing.Have, k.Release)
	}
	return Kernel{}, missing
}

// findKernels returns the kernels with modules below root, newest first.
func findKernels(root string) ([]Kernel, error) {
	var kernels []Kernel
	for _, parent := range []string{"usr/lib/modules", "lib/modules"} {
		// On a merged system these are one directory, of which the first counts.
		entries, err := os.ReadDir(filepath.Join(root, parent))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("find modules: %w", err)
		}
		for _, e := range entries {
			k := Kernel{e.Name(), filepath.Join(root, parent, e.Name())}
			known := slices.ContainsFunc(kernels, func(other Kernel) bool {
				return other.Release == k.Release
			})
			// A release that was removed often leaves a directory behind.
			if _, err := os.Stat(filepath.Join(k.Dir, "modules.dep")); err == nil && !known {
				kernels = append(kernels, k)
			}
		}
	}
	// The order of names would have 6.1.0-9 after 6.1.0-10.
	slices.SortStableFunc(kernels, func(a, b Kernel) int {
		return version.Compare(b.Release, a.Release)
	})
	return kernels, nil
}

// Image returns the path of the kernel itself, where the packages of distributions have it:
// in boot below the root directory, or beside the modules. It is one that can be read.
func (k Kernel) Image(root string) (string, error) {
	var failed []error
	for _, image := range []string{
		filepath.Join(root, "boot", "vmlinuz-"+k.Release), filepath.Join(k.Dir, "vmlinuz"),
	} {
		f, err := os.Open(image)
		if err == nil {
			return image, f.Close()
		}
		failed = append(failed, err)
	}
	return "", fmt.Errorf("find kernel %s: %w", k.Release, errors.Join(failed...))
}
