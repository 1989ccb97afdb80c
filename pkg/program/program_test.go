package program_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/pkg/program"
)

func TestRun(t *testing.T) {
	if err := program.Run(t.Context(), []string{"X=y"}, "sh", "-c", `test "$X" = y`); err != nil {
		t.Error(err)
	}
	var failed *program.Error
	err := program.Run(t.Context(), nil, "sh", "-c", "echo out; echo err >&2; exit 3")
	if !errors.As(err, &failed) || failed.Output != "out\nerr" || failed.Error() != "sh: exit status 3\nout\nerr" {
		t.Errorf("a program that fails: %v", err)
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("its cause: %v", exit)
	}
}

func TestRunMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := program.Run(t.Context(), nil, "mcopy")
	if !errors.Is(err, exec.ErrNotFound) || !strings.Contains(err.Error(), "install mtools") {
		t.Errorf("a missing program: %v", err)
	}
}

func TestPresent(t *testing.T) {
	if err := program.Present("sh", "cat"); err != nil {
		t.Error(err)
	}
	t.Setenv("PATH", t.TempDir())
	err := program.Present("btrfs")
	if !errors.Is(err, exec.ErrNotFound) || !strings.Contains(err.Error(), "install btrfs-progs") {
		t.Errorf("a missing program: %v", err)
	}
}

func TestRunStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := program.Run(ctx, nil, "sleep", "1000"); !errors.Is(err, context.Canceled) {
		t.Errorf("a program that was stopped: %v", err)
	}
}
