package guest

import (
	"context"
	_ "embed"
	"fmt"
	"regexp"
)

// suiteName keeps the suite, which becomes part of file names, from being a path.
var suiteName = regexp.MustCompile(`^[a-z]+$`)

// options keep the tree small, and old archives usable. Nothing that reads the
// documentation runs in a test.
var options = []string{
	`--aptopt=Apt::Install-Recommends "false"`,
	`--aptopt=Acquire::Check-Valid-Until "false"`,
	"--dpkgopt=path-exclude=/usr/share/doc/*",
	"--dpkgopt=path-exclude=/usr/share/man/*",
	"--dpkgopt=path-exclude=/usr/share/info/*",
	"--dpkgopt=path-exclude=/usr/share/locale/*",
	"--dpkgopt=path-exclude=/usr/share/lintian/*",
}

// flavour is what sets one Debian apart from another: its init.
type flavour struct {
	name     string   // in the cache, with the suite behind
	packages string   // beyond what Debian cannot be without
	unwanted []string // globs of what its factory is without
	files    []file   // that make it report to the tests
	edits    []edit
}

// The recipes: the first makes what apt installs, the second a golden master of it.
var (
	//go:embed debian.go
	debianSource string
	//go:embed master.go
	masterSource string
)

// Debian returns a Debian with systemd, of some 6000 files, with the modules of the
// kernel that FetchKernel returns. suite is a release's code name. It needs root,
// mmdebstrap and a Debian mirror, and takes half a minute when it is not in the
// cache.
func Debian(ctx context.Context, suite string) (*Tree, error) {
	return systemd.tree(ctx, suite)
}

// OpenRC returns a Debian whose PID 1 is that of sysvinit and whose services are
// OpenRC's. There is nothing of systemd in it, so nothing of sysusers.d(5) and
// tmpfiles.d(5) is done by itself. It needs what Debian needs.
func OpenRC(ctx context.Context, suite string) (*Tree, error) {
	return openrc.tree(ctx, suite)
}

func (f flavour) tree(ctx context.Context, suite string) (*Tree, error) {
	if !suiteName.MatchString(suite) {
		return nil, fmt.Errorf("debian guest: %q is no suite", suite)
	}
	kernel, err := FetchKernel(ctx)
	if err != nil {
		return nil, fmt.Errorf("debian guest: %w", err)
	}
	name := f.name + "-" + suite
	base, err := cached(name+"-base", []string{debianSource, f.packages}, func(dir string) error {
		return f.install(ctx, dir, suite)
	})
	if err != nil {
		return nil, err
	}
	recipe, err := f.recipe()
	if err != nil {
		return nil, fmt.Errorf("debian guest: %w", err)
	}
	dir, err := cached(name, append(recipe, base, kernel.Dir), func(dir string) error {
		return f.makeMaster(ctx, dir, base, kernel)
	})
	if err != nil {
		return nil, err
	}
	return &Tree{Dir: dir, Kernel: kernel}, nil
}

// install lets apt make a system in dir. It has no kernel: that package wants
// initramfs-tools and perl, and would make an initramfs.
func (f flavour) install(ctx context.Context, dir, suite string) error {
	args := append([]string{
		"--mode=root", "--variant=minbase", "--include=" + f.packages,
		"--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
	}, options...)
	return run(ctx, "mmdebstrap", append(args, suite, dir)...)
}

// recipe is what a golden master depends on besides its base: what is added, and the
// program that makes the factory.
func (f flavour) recipe() ([]string, error) {
	recipe, err := sources("pkg/golden", "pkg/factory")
	if err != nil {
		return nil, err
	}
	recipe = append(recipe, f.unwanted...)
	for _, file := range f.files {
		recipe = append(recipe, file.path, file.content)
	}
	for _, edit := range f.edits {
		recipe = append(recipe, edit.path, edit.old, edit.new)
	}
	return append(recipe, masterSource), nil
}
