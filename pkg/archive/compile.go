package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/u-root/gobusybox/src/pkg/golang"
	"github.com/u-root/mkuimage/cpio"
	"github.com/u-root/mkuimage/uimage"
	"github.com/u-root/mkuimage/uimage/builder"
	"github.com/u-root/mkuimage/uimage/initramfs"
	"github.com/u-root/uio/llog"
	"github.com/u-root/uio/uio"
)

// InitPackage is the import path of the init.
const InitPackage = "github.com/freshroot/freshroot/initramfs"

// Errors that [Build] returns if the init has to be compiled and cannot be.
var (
	// ErrNoToolchain is returned if there is no Go.
	ErrNoToolchain = errors.New("no Go toolchain (go) in PATH")
	// ErrNoSource is returned if the source directory does not know the init.
	ErrNoSource = errors.New("not a checkout of freshroot")
)

// job is something for u-root's builder to do.
type job struct {
	dir      string // of the module that knows the packages
	how      builder.Builder
	packages []string
	tags     []string
	program  string // what the builder calls the result
}

// CompileInit compiles the init from a checkout (empty: the current directory), for [Options]
// and others that want one ready-made, and writes it to a file. Its errors are those that
// [Build] has.
func CompileInit(ctx context.Context, source, output string) error {
	program, err := compileInit(ctx, source)
	if err != nil {
		return err
	}
	return os.WriteFile(output, program, 0o755)
}

// compileInit compiles the init.
func compileInit(ctx context.Context, source string) ([]byte, error) {
	return compileOurs(ctx, source, InitPackage)
}

// compileOurs compiles a program of freshroot.
func compileOurs(ctx context.Context, source, pkg string) ([]byte, error) {
	if err := checkSource(ctx, source, pkg); err != nil {
		return nil, err
	}
	return job{
		dir: source, how: builder.Binary, packages: []string{pkg},
		program: "bin/" + path.Base(pkg),
	}.compile(ctx)
}

// compile returns a program, for GOARCH if that is set. It needs Go.
func (j job) compile(ctx context.Context) ([]byte, error) {
	// A program built with -trimpath does not know GOROOT, the compiler does.
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	work, err := os.MkdirTemp("", "freshroot-init-")
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", j.program, err)
	}
	defer os.RemoveAll(work)
	// The archive that the builder makes is only the way to get at the program: the
	// order and the metadata of the files are up to this package.
	built := cpio.InMemArchive()
	if err := uimage.Create(silent(),
		uimage.WithEnv(
			golang.DisableCGO(),
			golang.WithCompiler("go"),
			golang.WithGOROOT(strings.TrimSpace(string(root))),
			golang.WithWorkingDir(j.dir),
			golang.WithBuildTag(j.tags...),
		),
		uimage.WithTempDir(work),
		uimage.WithOutput(&initramfs.Archive{Archive: built}),
		uimage.WithCommands(buildOptions(), j.how, j.packages...),
	); err != nil {
		return nil, fmt.Errorf("compile %s in %q: %w", j.program, j.dir, err)
	}
	// The builder cannot be stopped; at least its result is not used.
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("compile %s: %w", j.program, err)
	}
	return read(built, j.program)
}

// checkSource looks for one of our packages. The builder would do so as well, but
// explains at length how its own search for packages has changed over the years.
func checkSource(ctx context.Context, source, pkg string) error {
	if _, err := exec.LookPath("go"); err != nil {
		return fmt.Errorf("compile %s: %w", pkg, ErrNoToolchain)
	}
	list := exec.CommandContext(ctx, "go", "list", "-find", pkg)
	list.Dir = source
	if err := list.Run(); err != nil {
		dir, _ := filepath.Abs(source)
		return fmt.Errorf("compile: go list %s in %s: %w (%w)", pkg, dir, ErrNoSource, err)
	}
	return nil
}

// buildOptions adds to what the builder does by itself: no paths, symbols, build ID,
// and no inlining, without which a program is a tenth smaller when compressed.
func buildOptions() *golang.BuildOpts {
	return &golang.BuildOpts{ExtraArgs: []string{
		"-a=false",        // or the standard library is compiled each time
		"-buildvcs=false", // or each commit changes the bytes
		// A heap of some hundred kilobytes would otherwise begin with a huge page, and
		// the kernel would clear all of it: milliseconds, and more under emulation. At
		// run time it is too late to ask for this.
		"-ldflags=-s -w -buildid= -X=runtime.godebugDefault=disablethp=1",
	}}
}

// read returns a program that the builder put into an archive. It is a file in the
// work directory up to now.
func read(built *cpio.Archive, name string) ([]byte, error) {
	record, ok := built.Get(name)
	if !ok {
		return nil, fmt.Errorf("compile: the builder made no %s", name)
	}
	data, err := io.ReadAll(uio.Reader(record))
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", name, err)
	}
	return data, nil
}

// silent is a logger for the builder's remarks on versions of Go, which are years
// behind. What matters comes as an error.
func silent() *llog.Logger {
	return llog.New(slog.LevelError, func(string, ...any) {})
}
