package archive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/u-root/gobusybox/src/pkg/golang"
	"github.com/u-root/u-root/pkg/cpio"
)

// Shell says what an initramfs has for people.
type Shell int

const (
	// ShellIfAdded gives a shell if one of the [Addition]s is /bin/sh.
	ShellIfAdded Shell = iota
	// ShellRescue adds what mends a pool: commands of u-root with their shell,
	// freshroot, and the btrfs of this machine if it has one.
	ShellRescue
	// ShellNever makes the init give no shell, whatever the command line asks for.
	ShellNever
)

// NoShellFile is in an initramfs whose init never gives a shell.
const NoShellFile = "no-shell"

const (
	// rescueModule lists the commands of u-root as its tools. It is a module of its
	// own, since nobody else needs what they need.
	rescueModule = "initramfs/rescue"
	toolPackage  = "github.com/freshroot/freshroot/cmd/freshroot"
	// makePackage makes one program of many. It is a tool of our module.
	makePackage = "github.com/u-root/gobusybox/src/cmd/makebb"
)

// addShell adds what the shell is for.
func addShell(ctx context.Context, files tree, o Options, r *Result) error {
	switch o.Shell {
	case ShellNever:
		return files.add(cpio.StaticFile(NoShellFile, "", 0o444))
	case ShellRescue:
		before := files.size()
		err := errors.Join(addCommands(ctx, files, o.Source), addTool(ctx, files, o.Source),
			addBtrfs(files, r))
		r.RescueSize = files.size() - before
		return err
	}
	return nil
}

// addCommands adds u-root's commands as one program that goes by the name that it is
// called by.
func addCommands(ctx context.Context, files tree, source string) error {
	if err := checkSource(ctx, source, InitPackage); err != nil {
		return err
	}
	dir := filepath.Join(source, rescueModule)
	list := exec.CommandContext(ctx, "go", "list", "tool")
	list.Dir = dir
	out, err := list.Output()
	if err != nil {
		return fmt.Errorf("go list tool in %s: %w", dir, err)
	}
	commands := slices.Sorted(slices.Values(strings.Fields(string(out))))
	program, err := inWork("bb", func(work string) (string, error) {
		return makeOne(ctx, source, work, commands)
	})
	if err != nil {
		return err
	}
	links := []cpio.Record{
		cpio.StaticFile("bin/bb", string(program), 0o755), cpio.Symlink("bin/sh", "gosh"),
	}
	for _, command := range commands {
		links = append(links, cpio.Symlink("bin/"+path.Base(command), "bb"))
	}
	return files.addAll(links)
}

// makeOne makes one program of the commands of the rescue module, for GOARCH if that is
// set. What makes it runs here.
func makeOne(ctx context.Context, source, work string, commands []string) (string, error) {
	maker := filepath.Join(work, "makebb")
	err := compile(ctx, source, makePackage, maker, golang.WithGOARCH(runtime.GOARCH))
	if err != nil {
		return "", err
	}
	root, err := goroot(ctx)
	if err != nil {
		return "", err
	}
	program := filepath.Join(work, "bb")
	// The shell's line editing takes half as much space as all the commands.
	args := []string{
		"-o", program, "-gen-dir", filepath.Join(work, "src"), "-go-build-tags", "goshsmall",
	}
	for _, arg := range extraArgs() {
		args = append(args, "-go-extra-args", arg)
	}
	c := exec.CommandContext(ctx, maker, append(args, commands...)...)
	c.Dir = filepath.Join(source, rescueModule)
	c.Env = append(c.Environ(), "GOROOT="+root)
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("makebb in %q: %w: %s", c.Dir, err, out)
	}
	return program, nil
}

// addTool adds freshroot itself.
func addTool(ctx context.Context, files tree, source string) error {
	program, err := compileOurs(ctx, source, toolPackage)
	if err != nil {
		return err
	}
	return files.add(cpio.StaticFile("bin/freshroot", string(program), 0o755))
}

// addBtrfs adds the program btrfs of this machine with its libraries, where it has one
// that runs there.
func addBtrfs(files tree, r *Result) error {
	if other := os.Getenv("GOARCH"); other != "" && other != runtime.GOARCH {
		return nil
	}
	add, err := Program("btrfs")
	if errors.Is(err, exec.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	r.Btrfs = true
	for _, a := range add {
		if err := addFile(files, a); err != nil {
			return err
		}
	}
	return nil
}
