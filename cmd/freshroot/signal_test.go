package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// TestStopped sends a signal to this program.
func TestStopped(t *testing.T) {
	ctx, stop := untilSignal(t.Context())
	defer stop()
	if err := unix.Kill(unix.Getpid(), unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	err := stopped(ctx, fmt.Errorf("unpack: %w", ctx.Err()))
	if want := "unpack: hangup signal received"; err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	other := errors.New("another one")
	if err := stopped(context.Background(), other); !errors.Is(err, other) {
		t.Errorf("another error became %v", err)
	}
}
