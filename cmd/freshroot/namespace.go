package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/program"
	"github.com/freshroot/freshroot/pkg/source"
)

// namespaceEnv tells this program that it is root of a user namespace which it began itself.
const namespaceEnv = "FRESHROOT_NAMESPACE"

// isNamespaceRoot says whether this program has become root.
func isNamespaceRoot() bool { return os.Getenv(namespaceEnv) != "" }

// unshare begins a user namespace in which the user is root, and has the users and groups
// that subuid(5) gives them. Only setuid programs can do that, which unshare(1) knows.
var unshare = []string{"unshare", "--user", "--map-root-user", "--map-auto"}

// canBeRoot says why who is not root cannot have a namespace of their own, or not for this
// source.
func canBeRoot(ctx context.Context, src *source.Source) error {
	if src.Kind == source.Directory {
		var stat unix.Stat_t
		if err := unix.Stat(src.Path, &stat); err != nil {
			return err
		}
		if stat.Uid == 0 {
			return errors.New("of a directory that is root's, a user namespace sees no owners")
		}
	}
	args := append(slices.Clone(unshare[1:]), "true")
	err := program.Run(ctx, nil, unshare[0], args...)
	if failed := (*program.Error)(nil); errors.As(err, &failed) {
		words, _, _ := strings.Cut(failed.Output, "\n")
		return fmt.Errorf("no user namespace: %s", words)
	}
	return err
}

// becomeRoot begins this program anew, in a namespace. It returns only if it cannot.
func becomeRoot() error {
	path, err := exec.LookPath(unshare[0])
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	words := slices.Concat(unshare, []string{"--", self}, os.Args[1:])
	err = syscall.Exec(path, words, append(os.Environ(), namespaceEnv+"=1"))
	return &os.PathError{Op: "execute", Path: path, Err: err}
}
