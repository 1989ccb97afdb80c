package guest

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// busybox is the static build of Debian's package busybox-static.
const busybox = "/bin/busybox"

// The recipe of the tree is this source, so that any change makes a new one.
var (
	//go:embed busybox.go
	busyboxSource string
	//go:embed factory.go
	factorySource string
	//go:embed busybox-init.sh
	busyboxInit string
	//go:embed report.sh
	reportScript string
)

// Busybox returns the small userland, of about 2 MiB and 300 files. It needs root
// to make files of other owners, and the tools setfacl and setcap.
func Busybox(ctx context.Context) (*Tree, error) {
	program, err := os.ReadFile(busybox)
	if err != nil {
		return nil, fmt.Errorf("busybox guest (package busybox-static): %w", err)
	}
	recipe := []string{
		busyboxSource, factorySource, busyboxInit, reportScript, string(program),
	}
	dir, err := cached("busybox", recipe, func(dir string) error {
		return buildBusybox(ctx, dir)
	})
	if err != nil {
		return nil, err
	}
	return &Tree{Dir: dir}, nil
}

// buildBusybox makes the tree in dir. There is no usr/lib64: nothing in it is linked
// dynamically.
func buildBusybox(ctx context.Context, dir string) error {
	bin := filepath.Join(dir, "usr/bin")
	if err := installBusybox(ctx, bin); err != nil {
		return err
	}
	err := writeFiles(dir,
		file{"usr/sbin/init", 0o755, busyboxInit},
		file{"usr/lib/guest/report.sh", 0o644, reportScript},
		file{"usr/lib/os-release", 0o644, "ID=busybox\nNAME=\"Busybox guest\"\n"},
	)
	if err != nil {
		return err
	}
	return makeFactory(ctx, filepath.Join(dir, "usr/share/factory"))
}

// installBusybox puts busybox and a link for each of its applets into bin.
func installBusybox(ctx context.Context, bin string) error {
	out, err := exec.CommandContext(ctx, busybox, "--list").Output()
	if err != nil {
		return fmt.Errorf("list applets: %w", err)
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	if err := run(ctx, "cp", busybox, filepath.Join(bin, "busybox")); err != nil {
		return err
	}
	for _, applet := range strings.Fields(string(out)) {
		err := os.Symlink("busybox", filepath.Join(bin, applet))
		// Some builds list themselves.
		if err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}
