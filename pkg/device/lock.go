package device

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// OpenLocked opens a file when nobody else has it open who asks like this: it waits for them,
// until ctx ends. The file is the one that has the name then, also if it was replaced
// meanwhile. The lock is that of flock(2), and ends when the file is closed.
func OpenLocked(ctx context.Context, path string, flag int) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, flag, 0)
		if err != nil {
			return nil, err
		}
		if err := lock(ctx, f); err != nil {
			return nil, err
		}
		is, err := isNamed(f, path)
		if is {
			return f, nil
		}
		f.Close()
		if err != nil {
			return nil, err
		}
	}
}

// lock waits for the lock of a file, which is closed if that fails.
func lock(ctx context.Context, f *os.File) error {
	done := make(chan error, 1)
	go func() { done <- flock(f) }()
	select {
	case err := <-done:
		if err != nil {
			f.Close()
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		return nil
	case <-ctx.Done():
		go func() { // nobody wants the lock any more when it comes
			<-done
			f.Close()
		}()
		return fmt.Errorf("lock %s: %w", f.Name(), ctx.Err())
	}
}

func flock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err != unix.EINTR { // by the signals of Go's scheduler
			return err
		}
	}
}

// isNamed says whether an open file is the one that has a name.
func isNamed(f *os.File, path string) (bool, error) {
	mine, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(mine, named), err
}
