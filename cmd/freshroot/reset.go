package main

import (
	"errors"
	"fmt"
	"io"
	"os/exec"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// resetOptions are the flags of the command.
type resetOptions struct {
	memberOptions
	instance                  string
	now, atBoot, dryRun, undo bool
}

func resetCommand() *cobra.Command {
	var o resetOptions
	c := o.flags(&cobra.Command{
		Use:   "reset [flags] [var|all]",
		Short: "Begin anew with the factory at the next boot",
		Long: `Ask the next boot to throw away the state of this machine and to begin anew with the
factory: "all" is /etc, /var and the rest, "var" is /var only. What the keep list
gives the scope "reset" stays; --dry-run shows it.

What is thrown away is kept in the trash, and --undo asks the next boot to bring it
back, with the state of today in its place. It takes the same time whatever there
is. Each is done once; freshroot.reset= on the kernel command line resets at every
boot.`,
		Example: `  freshroot reset --dry-run
  freshroot reset var --now-reboot
  freshroot reset --undo`,
		Args:      arguments(cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs)),
		ValidArgs: reset.Scopes,
		RunE: func(c *cobra.Command, args []string) error {
			scope := reset.All
			if len(args) > 0 {
				scope = reset.Scope(args[0])
			}
			switch {
			case o.undo && len(args) > 0:
				return usageError{errors.New("--undo brings back the newest, of either kind")}
			case o.now && o.atBoot, o.dryRun && (o.now || o.atBoot):
				return usageError{errors.New("choose one of --at-boot, --now-reboot and --dry-run")}
			}
			return o.run(c.OutOrStdout(), scope)
		},
	})
	c.Flags().StringVar(&o.instance, "instance", "",
		"another instance than the one that is running")
	c.Flags().BoolVar(&o.atBoot, "at-boot", false,
		"wait for the next boot, whenever it comes (default)")
	c.Flags().BoolVar(&o.now, "now-reboot", false, "reboot now")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false,
		"show what would go and what would stay, and change nothing")
	c.Flags().BoolVar(&o.undo, "undo", false, "bring back what the last reset has thrown away")
	return c
}

// run asks for it, and says what was asked for.
func (o *resetOptions) run(w io.Writer, scope reset.Scope) error {
	o.readOnly = o.dryRun
	err := o.with(func(m *openedPool) error {
		root, err := m.toReset(o.instance)
		if err != nil {
			return err
		}
		if o.now && (m.running.Usr == "" || o.instance != "" && root.entry != m.running.Instance) {
			return usageError{errors.New("--now-reboot is for the instance that is running")}
		}
		request := reset.Request{Reset: scope}
		if o.undo {
			if request, err = m.undo(root); err != nil {
				return err
			}
		}
		if err := instance.MayReset(m.top, root.entry, request.Reset); err != nil {
			return err
		}
		if o.dryRun {
			return m.previewReset(w, root, request, o.json)
		}
		err = instance.WriteRequest(m.top, root.entry, request)
		if errors.Is(err, unix.ENOSPC) {
			return fmt.Errorf("%w: make room with \"freshroot trash purge\", "+
				"or boot with freshroot.reset=%s", err, scope)
		} else if err != nil {
			return err
		}
		return o.say(w, root, request)
	})
	if err != nil || !o.now {
		return err
	}
	if out, err := exec.Command("reboot").CombinedOutput(); err != nil {
		return fmt.Errorf("reboot: %w: %s", err, out)
	}
	return nil
}

// toReset finds the instance. With volatile=yes none is running, and there may be one.
func (m *openedPool) toReset(name string) (member, error) {
	if name == "" {
		name = m.running.Instance
	}
	if name == "" {
		name = "default"
	}
	return m.find(subvol.Root, name)
}

// undo makes the request for what was thrown away last.
func (m *openedPool) undo(root member) (reset.Request, error) {
	list, err := instance.Trash(m.top)
	if err != nil {
		return reset.Request{}, err
	}
	newest, ok := reset.Newest(list, root.entry)
	if !ok {
		return reset.Request{}, fmt.Errorf("nothing of %q is in the trash", root.entry)
	}
	return reset.Request{Undo: newest.String()}, nil
}

// asked is what the next boot is asked for, for programs.
type asked struct {
	Instance string      `json:"instance"`
	Reset    reset.Scope `json:"reset,omitempty"`
	Undo     string      `json:"undo,omitempty"`
}

func (o *resetOptions) say(w io.Writer, root member, r reset.Request) error {
	switch {
	case o.json:
		return printJSON(w, asked{root.entry, r.Reset, r.Undo})
	case r.Undo != "":
		fmt.Fprintf(w, "the next boot of %s brings back %s\n", root.entry, r.Undo)
	default:
		fmt.Fprintf(w, "the next boot of %s resets %s\n", root.entry, describeScope(r.Reset))
	}
	return nil
}

func describeScope(s reset.Scope) string {
	if s == reset.Var {
		return "/var"
	}
	return "/etc, /var and the rest"
}
