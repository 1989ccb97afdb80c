package main

import (
	"context"
	"errors"
	"os/signal"
	"strings"

	"golang.org/x/sys/unix"
)

// untilSignal returns a context that ends when somebody wants the program to end, so that
// it can clean up. stop gives the signals back.
func untilSignal(ctx context.Context) (_ context.Context, stop context.CancelFunc) {
	return signal.NotifyContext(ctx, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
}

// stopped says which signal it was, in the error of what such a context has ended.
func stopped(ctx context.Context, err error) error {
	if !errors.Is(err, context.Canceled) {
		return err
	}
	return errors.New(strings.ReplaceAll(
		err.Error(), context.Canceled.Error(), context.Cause(ctx).Error()))
}
