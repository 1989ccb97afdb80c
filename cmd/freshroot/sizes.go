package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/pool"
	"github.com/freshroot/freshroot/pkg/units"
)

// memberSize is what a member takes on the disk, in bytes, for programs.
type memberSize struct {
	Total     uint64 `json:"total"`
	Exclusive uint64 `json:"exclusive"`
	Shared    uint64 `json:"shared"`
	Error     string `json:"error,omitempty"` // why this is not all, or nothing
}

// columns are the sizes in a table.
func (s *memberSize) columns() (own, shared string) {
	switch {
	case s == nil:
		return "-", "-"
	case s.Error != "":
		return "unknown", "unknown"
	}
	return units.Bytes(s.Exclusive), units.Bytes(s.Shared)
}

// describe follows the state of a version.
func (s *memberSize) describe() string {
	switch {
	case s == nil:
		return ""
	case s.Error != "":
		return ", size unknown: " + s.Error
	}
	own, shared := s.columns()
	return fmt.Sprintf(", %s of its own and %s shared", own, shared)
}

func sizesFlag(c *cobra.Command, wanted *bool) {
	c.Flags().BoolVar(wanted, "sizes", false, "find out how much space each takes; needs root")
}

// sizes adds the sizes of members to a list of them.
type sizes func(pool *os.File, list []poolMember)

// sizesIf measures if that is wanted, and shows on a terminal how far it is.
func sizesIf(wanted bool, messages io.Writer) sizes {
	if !wanted {
		return func(*os.File, []poolMember) {}
	}
	return func(dir *os.File, list []poolMember) {
		line := newProgressLine(messages)
		defer line.end()
		for i := range list {
			if list[i].Kind == "" {
				continue
			}
			step := "measuring " + printable(list[i].Name)
			list[i].Size = measure(dir, list[i].Name, func(bytes uint64) {
				line.update(step, int64(bytes), 0)
			})
		}
	}
}

// measure measures a member. That one cannot be is no reason not to show the others.
func measure(dir *os.File, name string, counted func(bytes uint64)) *memberSize {
	size, err := pool.Measure(dir, name, counted)
	s := memberSize{Total: size.Total, Exclusive: size.Exclusive(), Shared: size.Shared}
	if err != nil {
		s.Error = err.Error()
	}
	return &s
}
