package device

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// OpenLocked opens a file when nobody else has it open who asks like this: it waits for them,
// until ctx ends. The file is the one that has the name then, also if it was replaced
// meanwhile. See Lock for how long it holds.
func OpenLocked(ctx context.Context, path string, flag int) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, flag, 0)
		if err != nil {
			return nil, err
		}
		if err := lockUntil(ctx, f); err != nil {
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

// lockUntil is Lock until ctx ends. A file that is not locked is closed.
func lockUntil(ctx context.Context, f *os.File) error {
	done := make(chan error, 1)
	go func() { done <- Lock(f) }()
	select {
	case err := <-done:
		if err != nil {
			f.Close()
		}
		return err
	case <-ctx.Done():
		go func() { // nobody wants the lock any more when it comes
			<-done
			f.Close()
		}()
		return fmt.Errorf("lock %s: %w", f.Name(), ctx.Err())
	}
}

// Lock waits until nobody else has locked a file or a directory. The lock, that of flock(2),
// ends when all is closed that refers to this opening, or the program ends in any way.
func Lock(f *os.File) error {
	err := error(unix.EINTR)
	for err == unix.EINTR { // by the signals of Go's scheduler
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return nil
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
