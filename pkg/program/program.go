// Package program runs other programs, which make file systems, sign and convert.
//
// They are looked for in PATH, and run without a shell. What is missing is named with
// the package that has it.
package program

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// packages are those of Debian that have the programs; other distributions call them
// much the same.
var packages = map[string]string{
	"mkfs.btrfs": "btrfs-progs", "btrfs": "btrfs-progs", "qemu-img": "qemu-utils",
	"fsck.fat": "dosfstools", "mkfs.fat": "dosfstools",
	"mcopy": "mtools", "mmd": "mtools", "sbsign": "sbsigntool",
	"unshare": "util-linux",
}

// Error says that a program has failed.
type Error struct {
	Name   string
	Output string // what it printed, without white space around
	Err    error
}

// Error has what the program printed.
func (e *Error) Error() string { return fmt.Sprintf("%s: %v\n%s", e.Name, e.Err, e.Output) }

// Unwrap returns the cause, an *exec.ExitError.
func (e *Error) Unwrap() error { return e.Err }

// Run runs a program, with more variables in its environment. The error is an *Error, or
// that of the context, or says that the program is missing.
func Run(ctx context.Context, env []string, name string, args ...string) error {
	c := exec.CommandContext(ctx, name, args...)
	c.Env = append(os.Environ(), env...)
	out, err := c.CombinedOutput()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, exec.ErrNotFound):
		return Missing(name, err)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return &Error{name, strings.TrimSpace(string(out)), err}
}

// Present makes sure that programs are there, before something is begun that needs them.
func Present(names ...string) error {
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			return Missing(name, err)
		}
	}
	return nil
}

// Missing adds to exec.ErrNotFound, and to no other error, which package has the program.
func Missing(name string, err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%s is missing: install %s: %w", name, packages[name], err)
	}
	return err
}
