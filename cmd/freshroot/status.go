package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/pool"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// statusOptions are the flags of the command.
type statusOptions struct{ json, warnings, sizes bool }

func statusCommand() *cobra.Command {
	var o statusOptions
	c := &cobra.Command{
		Use:   "status [flags]",
		Short: "Show what runs, why, and what the next boot may choose from",
		Long: `Show the version that runs and why it was picked, whether it is blessed, the mode and
the instance, the other versions of the pool, which of them the next boot would pick and
what is asked of it, how long the last one took, and warnings: of the boot, and of what
runs full.

The pool is looked at only by root: the other versions, what the next boot would do and
the logs. The rest is for everybody.

Where this boot was pinned to its version, as those from the entries of "freshroot esp
sync" are, it is the boot loader who picks. Then the next one is the best of the vendor.

With --sizes it says how much of the disk each version takes for itself, and how much
it shares with others, which takes a while: see "freshroot list --help".

Exit status: 0; with --warnings 1 if there is one; 1 if freshroot did not boot this
machine, 2 for wrong usage.`,
		Args: arguments(noArguments),
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.OutOrStdout(), c.ErrOrStderr()) },
	}
	c.Flags().BoolVar(&o.json, "json", false, "print JSON")
	c.Flags().BoolVar(&o.warnings, "warnings", false, "print only what runs full now")
	sizesFlag(c, &o.sizes)
	return c
}

// bootStatus is all that is known, for programs.
type bootStatus struct {
	bootRecord
	Blessed bool         `json:"blessed"`
	Pin     string       `json:"pin,omitempty"`     // freshroot.usr= of this boot
	Members []poolMember `json:"members,omitempty"` // not without root
	Logs    []string     `json:"logs,omitempty"`    // versions whose log is kept
	Next    string       `json:"next,omitempty"`    // what the next boot would pick, if not the same
	Pending []string     `json:"pending,omitempty"` // what is asked of it
	Space   *poolSpace   `json:"space,omitempty"`
}

func (o statusOptions) run(w, messages io.Writer) error {
	boot, err := readBoot()
	if err != nil {
		return err
	}
	space, full := lookAtSpace(boot)
	if o.warnings {
		return o.printWarnings(w, full)
	}
	status := bootStatus{bootRecord: boot, Pin: boot.options().Usr, Space: space}
	status.Warnings = append(status.Warnings, full...)
	if os.Geteuid() == 0 {
		err = boot.readPool(func(dir *os.File) error {
			err := status.look(dir)
			sizesIf(o.sizes, messages)(dir, status.Members)
			return err
		})
	}
	if err != nil { // the rest is told all the same
		status.Warnings = append(status.Warnings, err.Error())
		err = errSaid
	}
	mountinfo, _ := os.ReadFile("/proc/self/mountinfo") // without it, the record counts
	status.judge(string(mountinfo))
	if o.json {
		return errors.Join(err, printJSON(w, status))
	}
	status.print(w, styleOf(w))
	return err
}

// printWarnings prints what runs full, and nothing else; that there is some is its
// answer.
func (o statusOptions) printWarnings(w io.Writer, full []string) (err error) {
	if o.json {
		// A list also if it is empty, under the name that it has in the whole status.
		err = printJSON(w, map[string][]string{"warnings": append([]string{}, full...)})
	} else {
		for _, warning := range full {
			fmt.Fprintln(w, warning)
		}
	}
	if err == nil && len(full) > 0 {
		return errSaid
	}
	return err
}

// look reads what the pool says now.
func (s *bootStatus) look(dir *os.File) error {
	running, err := s.entry(dir)
	if err != nil {
		s.Warnings = append(s.Warnings, err.Error())
	}
	s.Members, err = listMembers(dir, listedFor{subvol.HostArch(), s.Kernel, running})
	if err != nil {
		return err
	}
	for _, p := range s.Members {
		if _, err := pool.Log(dir, p.Name); p.Kind == subvol.Usr && err == nil {
			s.Logs = append(s.Logs, p.Name)
		}
	}
	s.Pending = readPending(dir)
	switch next, err := s.next(dir); {
	case err != nil:
		s.Warnings = append(s.Warnings, "the next boot: "+err.Error())
	case next != running:
		s.Next = next
	}
	return nil
}

// judge says how the version that runs stands by now: as in the pool, for who may look
// there, or else as the kernel calls what is mounted.
func (s *bootStatus) judge(mountinfo string) {
	for _, p := range s.Members {
		if p.Running {
			s.Usr, s.Tries = p.Name, p.Tries
		}
	}
	now, err := subvol.Parse(mountedFrom(mountinfo, "/usr"))
	if s.Members == nil && err == nil && now.Kind == subvol.Usr && now.Version == s.Version {
		s.Usr, s.Tries = now.String(), countOf(now)
	}
	s.Blessed = s.Tries == nil
}

// countOf is the counter of a golden master, nil if it has none.
func countOf(m subvol.Member) *tries {
	if !m.Tries.Counted {
		return nil
	}
	return &tries{m.Tries.Left, m.Tries.Done}
}

// mountedFrom returns which member of the pool is mounted somewhere, "" if none is. The
// kernel follows it when it is renamed, and tells everybody (proc_pid_mountinfo(5)).
func mountedFrom(mountinfo, where string) (member string) {
	const root, point = 3, 4 // the fields
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) > point && fields[point] == where {
			member = strings.TrimPrefix(fields[root], "/") // a later one covers it
		}
	}
	return member
}

// maxRequest bounds what is read of a request.
const maxRequest = 256

// readPending reads what was asked of the next boot: a file for each instance.
func readPending(dir *os.File) (pending []string) {
	requests, err := rootfs.OpenDir(dir, ".freshroot/requests")
	if err != nil {
		return nil
	}
	defer requests.Close()
	names, err := requests.Readdirnames(100)
	if err != nil {
		return nil
	}
	files := rootfs.FS(requests)
	for _, name := range names {
		f, err := files.Open(name)
		if err != nil {
			continue
		}
		text, _ := io.ReadAll(io.LimitReader(f, maxRequest))
		f.Close()
		pending = append(pending, name+": "+strings.Join(strings.Fields(string(text)), " "))
	}
	slices.Sort(pending)
	return pending
}
