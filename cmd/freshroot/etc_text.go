package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os/exec"
)

// unifiedDiff shows the lines that differ between two files, of which one may be "".
func unifiedDiff(w io.Writer, old, now, name string) error {
	const none = "/dev/null"
	oldLabel, nowLabel := "factory/etc/"+name, "etc/"+name
	if old == "" {
		oldLabel = none
	}
	if now == "" {
		nowLabel = none
	}
	c := exec.Command("diff", "-u", "--label", oldLabel, "--label", nowLabel,
		"--", cmp.Or(old, none), cmp.Or(now, none))
	c.Stdout = w
	err := c.Run()
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("--text needs the program diff (package diffutils)")
	case errors.As(err, &exit) && exit.ExitCode() == 1: // they differ
		return nil
	case err != nil:
		return fmt.Errorf("diff %s: %w", printable(name), err)
	}
	// The same lines: something else differs.
	_, err = fmt.Fprintf(w, "owner, mode or attributes differ: %s\n", printable(name))
	return err
}
