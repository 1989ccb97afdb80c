package archive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/u-root/gobusybox/src/pkg/golang"
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

// compileOurs compiles a program of freshroot, for GOARCH if that is set.
func compileOurs(ctx context.Context, source, pkg string) ([]byte, error) {
	if err := checkSource(ctx, source, pkg); err != nil {
		return nil, err
	}
	return inWork(pkg, func(work string) (string, error) {
		program := filepath.Join(work, path.Base(pkg))
		return program, compile(ctx, source, pkg, program)
	})
}

// inWork returns the program that make leaves in a directory, which is removed.
func inWork(name string, make func(work string) (program string, err error)) ([]byte, error) {
	work, err := os.MkdirTemp("", "freshroot-init-")
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", name, err)
	}
	defer os.RemoveAll(work)
	program, err := make(work)
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", name, err)
	}
	return os.ReadFile(program)
}

// compile lets u-root's builder compile a package, as a module sees it.
//
// Of u-root's libraries, only what this needs is linked: those that make whole archives
// have the code of goimports with them, which makes a directory in $HOME whenever a program
// begins that it is in.
func compile(ctx context.Context, module, pkg, output string, more ...golang.Opt) error {
	root, err := goroot(ctx)
	if err != nil {
		return err
	}
	env := golang.Default(golang.DisableCGO(), golang.WithCompiler("go"),
		golang.WithGOROOT(root), golang.WithWorkingDir(module))
	env.Apply(more...)
	options := &golang.BuildOpts{ExtraArgs: extraArgs()}
	if err := env.Build(output, []string{pkg}, options); err != nil {
		return fmt.Errorf("in %q: %w", module, err)
	}
	// The builder cannot be stopped; at least its result is not used.
	return ctx.Err()
}

// goroot asks for GOROOT: a program built with -trimpath does not know it, the compiler does.
func goroot(ctx context.Context) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	return strings.TrimSpace(string(root)), nil
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

// extraArgs adds to what the builder does by itself: no paths, symbols, build ID,
// and no inlining, without which a program is a tenth smaller when compressed.
func extraArgs() []string {
	return []string{
		"-a=false",        // or the standard library is compiled each time
		"-buildvcs=false", // or each commit changes the bytes
		// A heap of some hundred kilobytes would otherwise begin with a huge page, and
		// the kernel would clear all of it: milliseconds, and more under emulation. At
		// run time it is too late to ask for this.
		"-ldflags=-s -w -buildid= -X=runtime.godebugDefault=disablethp=1",
	}
}
