package volatile_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/cmdline"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// TestBreaks sees that each kind of step can be stopped at.
func TestBreaks(t *testing.T) {
	steps := []volatile.Step{
		volatile.Watchdog{}, volatile.Grow{}, volatile.Remount{}, volatile.Count{}, volatile.Reset{}, volatile.Undo{},
		volatile.Instantiate{}, volatile.Bind{}, volatile.OverlayRoot{}, volatile.Tmpfs{},
		volatile.Populate{}, volatile.Skeleton{}, volatile.Home{}, volatile.Keep{}, volatile.Identity{},
		volatile.Sysusers{}, volatile.Tmpfiles{}, volatile.VolatileRoot{}, volatile.Protect{}, volatile.Switch{},
	}
	want := []string{"devices", "pool", "pick", "root"}
	for _, step := range steps {
		want = append(want, volatile.Kind(step))
	}
	if diff := cmp.Diff(want, volatile.Breaks); diff != "" {
		t.Errorf("freshroot.break= (-want +got):\n%s", diff)
	}
}

func TestForbidShell(t *testing.T) {
	o, warnings := volatile.ParseOptions(cmdline.Parse(
		"freshroot.break=pick init=/bin/sh freshroot.on-failure=shell freshroot.log=debug"))
	warnings = append(warnings, o.ForbidShell()...)
	want := defaults(func(o *volatile.Options) { o.NoShell, o.Log = true, "debug" })
	if diff := cmp.Diff(want, o); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	for i, option := range []string{"freshroot.break=pick ", "init=/bin/sh ", "freshroot.on-failure=shell "} {
		if len(warnings) != 3 || !strings.HasPrefix(warnings[i], option) {
			t.Fatalf("warnings: %q", warnings)
		}
	}
	o.OnFailure = "halt"
	if warnings := o.ForbidShell(); len(warnings) > 0 || o.OnFailure != "halt" {
		t.Errorf("where no shell is asked for: %q, %+v", warnings, o)
	}
}

// TestNoShellIsNoInit sees that an OS without an init gives no shell instead.
func TestNoShellIsNoInit(t *testing.T) {
	for _, forbidden := range []bool{false, true} {
		plan, err := volatile.New(volatile.Facts{
			Options: defaults(func(o *volatile.Options) { o.NoShell = forbidden }), Arch: "x86-64",
			Entries: []string{"usr:a:x86-64:1"}, Check: func(string) error { return nil },
			Golden:       func(volatile.Usr, string) volatile.Golden { return volatile.Golden{} },
			LoaderCounts: func() bool { return false },
		})
		if err != nil {
			t.Fatal(err)
		}
		last := plan.Steps[len(plan.Steps)-1].(volatile.Switch)
		if has := slices.Contains(last.Init, "/usr/bin/sh"); has == forbidden {
			t.Errorf("forbidden: %v, init is one of %q", forbidden, last.Init)
		}
	}
}
