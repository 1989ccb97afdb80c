package guest

import (
	"context"
	_ "embed"
	"fmt"
	"regexp"
)

// suiteName keeps the suite, which becomes part of file names, from being a path.
var suiteName = regexp.MustCompile(`^[a-z]+$`)

// packages is what Debian is, beyond what it cannot be without.
const packages = "systemd,systemd-sysv,udev,dbus,kmod,usr-is-merged"

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

// The recipes: the first makes what apt installs, the second a golden master of it.
var (
	//go:embed debian.go
	debianSource string
	//go:embed master.go
	masterSource string
	//go:embed debian-report.sh
	debianReport string
	//go:embed debian-report.service
	debianReportUnit string
)

// Debian returns a Debian with systemd, of some 6000 files, with the modules of the
// kernel that FetchKernel returns. suite is a release's code name. It needs root,
// mmdebstrap and a Debian mirror, and takes half a minute when it is not in the
// cache.
func Debian(ctx context.Context, suite string) (*Tree, error) {
	if !suiteName.MatchString(suite) {
		return nil, fmt.Errorf("debian guest: %q is no suite", suite)
	}
	kernel, err := FetchKernel(ctx)
	if err != nil {
		return nil, fmt.Errorf("debian guest: %w", err)
	}
	name := "debian-" + suite
	base, err := cached(name+"-base", []string{debianSource}, func(dir string) error {
		return installDebian(ctx, dir, suite)
	})
	if err != nil {
		return nil, err
	}
	recipe := []string{
		base, kernel.Dir, masterSource, debianReport, debianReportUnit, reportScript,
	}
	dir, err := cached(name, recipe, func(dir string) error {
		return makeMaster(ctx, dir, base, kernel)
	})
	if err != nil {
		return nil, err
	}
	return &Tree{Dir: dir, Kernel: kernel}, nil
}

// installDebian lets apt make a system in dir. It has no kernel: that package wants
// initramfs-tools and perl, and would make an initramfs.
func installDebian(ctx context.Context, dir, suite string) error {
	args := append([]string{
		"--mode=root", "--variant=minbase", "--include=" + packages,
		"--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
	}, options...)
	return run(ctx, "mmdebstrap", append(args, suite, dir)...)
}
