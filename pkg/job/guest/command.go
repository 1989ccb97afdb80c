package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"syscall"
	"time"
)

// The statuses by which a shell, too, says that a command could not be run.
const (
	cannotExecute = 126
	notFound      = 127
	signalled     = 128 // and the number of the signal
)

// lingering is how long output is waited for that others write who the command has left
// behind.
const lingering = time.Second

// run runs a command without input, in the root directory. The status is the one that a
// shell would show.
func run(ctx context.Context, argv []string, stdout, stderr io.Writer) (int, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", stdout, stderr
	cmd.WaitDelay = lingering
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return 0, nil
	case errors.As(err, &exit):
		return status(exit), nil
	case cmd.Process == nil:
		return refused(err, stderr)
	}
	return 0, fmt.Errorf("run %q: %w", argv[0], err)
}

// status is the command's own, or the signal's that ended it.
func status(exit *exec.ExitError) int {
	if w, ok := exit.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return signalled + int(w.Signal())
	}
	return exit.ExitCode()
}

// refused says why a command was not started.
func refused(err error, stderr io.Writer) (int, error) {
	if _, err := fmt.Fprintf(stderr, "freshroot ci: %v\n", err); err != nil {
		return 0, err
	}
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return notFound, nil
	}
	return cannotExecute, nil
}
