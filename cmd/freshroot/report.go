package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/volatile"
)

// The exit statuses.
const (
	exitFailure = 1 // what was asked for could not be done, or the answer is no
	exitUsage   = 2 // the command line is wrong
)

// errSaid is returned by a command that has told the person all there is to say.
var errSaid = errors.New("said")

// usageError is a mistake in the command line.
type usageError struct{ error }

// report tells why a command has failed, and returns its exit status. Who asked for
// JSON gets an object, too: nothing at all would be no answer.
func report(c *cobra.Command, err error) int {
	var usage usageError
	var status exitStatus
	switch {
	case errors.As(err, &usage):
		fmt.Fprintf(c.ErrOrStderr(), "%s: %v\nSee '%[1]s --help'.\n", c.CommandPath(), err)
		return exitUsage
	case errors.As(err, &status):
		return int(status)
	case !errors.Is(err, errSaid):
		fmt.Fprintf(c.ErrOrStderr(), "%s: %v\n", c.CommandPath(), err)
		var f *volatile.Failure
		if errors.As(err, &f) {
			printHelp(c.ErrOrStderr(), f)
		}
		if asked, _ := c.Flags().GetBool("json"); asked {
			_ = printJSON(c.OutOrStdout(), describeError(err))
		}
	}
	return exitFailure
}

// printHelp prints what was looked at, and what to do.
func printHelp(w io.Writer, f *volatile.Failure) {
	for _, line := range volatile.Clip(f.Seen) {
		fmt.Fprintf(w, "  %s\n", line)
	}
	if len(f.Do) > 0 {
		fmt.Fprintf(w, "what to do:\n  %s\n", strings.Join(f.Do, "\n  "))
	}
}

// failed is an error for programs.
type failed struct {
	Failure failure `json:"failure"`
}

// failure has more than What where a boot would fail like that.
type failure struct {
	What    string           `json:"what"`
	Problem volatile.Problem `json:"problem,omitempty"`
	Seen    []string         `json:"seen,omitempty"`
	Do      []string         `json:"do,omitempty"`
}

func describeError(err error) failed {
	d := failure{What: err.Error()}
	var f *volatile.Failure
	if errors.As(err, &f) {
		d.Problem, d.Seen, d.Do = f.Problem, f.Seen, f.Do
	}
	return failed{d}
}
