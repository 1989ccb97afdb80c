package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/facts"
	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/keep"
	"github.com/freshroot/freshroot/pkg/merge"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// etcMergeOptions are the flags of the command.
type etcMergeOptions struct {
	planOptions
	dryRun bool
}

func etcMergeCommand() *cobra.Command {
	var o etcMergeOptions
	c := &cobra.Command{
		Use:   "merge --dry-run [flags] [DISK_OR_IMAGE...]",
		Short: "Show what the next boot makes of /etc",
		Long: `Show what the next boot with these disks makes of the /etc of its instance, and
change nothing. Without a disk, that is the next boot of this machine with the same
kernel command line.

  create      the vendor has added it
  replace     the vendor has changed it, and nobody here
  remove      the vendor has removed it, and nobody here has changed it
  attributes  the vendor has changed owner, mode or attributes of the directory
  beside      both have changed it: the vendor's is put beside
  drop        what lies beside no longer applies
  added, modified, deleted  of people here: stays so

The merge itself is done by the boot. The pool is read as "freshroot plan" does.

Exit status: 0 if it would boot, 1 if it would not, 2 for wrong usage.`,
		Example: `  freshroot etc merge --dry-run
  freshroot etc merge --dry-run --cmdline freshroot.usr=1.2 disk.img`,
		RunE: func(c *cobra.Command, args []string) error {
			return o.run(c.OutOrStdout(), args, c.Flags().Changed("cmdline"))
		},
	}
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "show it only; required")
	o.flags(c)
	return c
}

// etcMerge is what the next boot does, for programs. Made, Change, From and Conflicts are
// those of instance.Result.
type etcMerge struct {
	Usr       string      `json:"usr"`
	Instance  string      `json:"instance,omitempty"`
	Updates   bool        `json:"updates"` // the boot touches the instance
	Made      []string    `json:"made"`
	Change    string      `json:"change"`
	From      string      `json:"from,omitempty"`
	Conflicts []string    `json:"conflicts"`
	Actions   []etcChange `json:"actions"`
}

// run asks and tells. A plan that fails is told as "freshroot plan" tells it.
func (o etcMergeOptions) run(w io.Writer, disks []string, hasCmdline bool) error {
	if !o.dryRun {
		return usageError{errors.New("the boot does the merge: here it needs --dry-run")}
	}
	if err := needsRoot("reading a pool"); err != nil {
		return err
	}
	m, err := o.find(disks, hasCmdline)
	var failure *volatile.Failure
	switch {
	case errors.As(err, &failure):
		o.printFailure(w, failure)
		return errSaid
	case err != nil:
		return err
	case o.json:
		return printJSON(w, m)
	}
	m.print(w)
	return nil
}

// find finds the pool as the init does, and asks what happens there. The pool that this
// machine runs from can be mounted a second time, read-only.
func (o etcMergeOptions) find(
	disks []string, hasCmdline bool,
) (m etcMerge, err error) {
	if len(disks) == 0 {
		booted, err := readBoot()
		if errors.Is(err, errNotBooted) {
			return m, fmt.Errorf("%w: name a disk or an image", err)
		} else if err != nil {
			return m, err
		}
		disks = []string{"/dev/" + booted.Pool.Disk}
		if !hasCmdline {
			o.cmdline = booted.Cmdline
		}
	}
	plan, err := o.plan(disks)
	if err != nil {
		return m, err
	}
	err = withPool(diskOf(plan.Pool, disks), plan.Pool, func(dir *os.File) error {
		m, err = preview(dir, plan)
		return err
	})
	return m, err
}

// preview asks what a boot makes of its instance. The lists are never nil, so that they
// are empty ones in JSON.
func preview(dir *os.File, plan volatile.Plan) (etcMerge, error) {
	m := etcMerge{Usr: plan.Usr.Entry, Instance: plan.Instance, Updates: updates(plan),
		Made: []string{}, Conflicts: []string{}, Actions: []etcChange{}}
	if !m.Updates {
		return m, nil
	}
	golden, err := rootfs.OpenDir(dir, plan.Usr.Entry)
	if err != nil {
		return m, err
	}
	defer golden.Close()
	target := instance.Target{
		Pool: dir, Name: plan.Instance, Usr: plan.Usr.Member, Golden: golden,
		Kept: keptIn(dir, plan.Usr.Entry, plan.Instance),
	}
	var actions []merge.Action
	result, err := target.Preview(func(a merge.Action) error {
		actions = append(actions, a)
		return nil
	})
	m.Made = append(m.Made, result.Made...)
	m.Conflicts = append(m.Conflicts, result.Conflicts...)
	m.Change, m.From = string(result.Change), result.From
	m.Actions = describeActions(actions)
	return m, err
}

// updates says whether the boot touches an instance.
func updates(plan volatile.Plan) bool {
	return slices.ContainsFunc(plan.Steps, func(s volatile.Step) bool {
		_, is := s.(volatile.Instantiate)
		return is
	})
}

// keptIn reads the keep list of a root to be. A line that cannot be used is for
// "freshroot keep list" to tell.
func keptIn(dir *os.File, usr, instance string) func(path string) bool {
	rules, _ := facts.Keep(dir, usr, instance)
	return func(path string) bool {
		survives, _ := rules.Survives(path, keep.Update)
		return survives
	}
}

// print tells it in words, then each path.
func (m etcMerge) print(w io.Writer) {
	switch {
	case !m.Updates:
		fmt.Fprintf(w, "no /etc on the disk is changed in this mode\n")
	case m.Change == string(instance.Merged):
		fmt.Fprintf(w, "/etc of %s is merged with the factory of %s\n", m.From, m.Usr)
	case m.Change == string(instance.Restored):
		fmt.Fprintf(w, "/etc of %s is kept aside; the one that %s had is brought back\n",
			m.From, m.Usr)
	case len(m.Made) == 0:
		fmt.Fprintf(w, "/etc stays as it is: it is of %s\n", m.Usr)
	}
	for _, made := range m.Made {
		fmt.Fprintf(w, "%s is made from the factory of %s\n", made, m.Usr)
	}
	if m.Change == string(instance.Merged) && len(m.Actions) == 0 {
		fmt.Fprintln(w, "nothing in it has to be changed")
	}
	for _, a := range m.Actions {
		fmt.Fprintf(w, "  %-10s  %s\n", a.Change, printable(a.Path))
	}
}
