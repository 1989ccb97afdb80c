package volatile_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// TestResetRest says what is left to do if the firmware's request cannot be taken.
func TestResetRest(t *testing.T) {
	const entry = "root:default:org.example.os:x86-64"
	for _, tc := range []struct {
		option, request reset.Scope
		firmware        string
		want            volatile.Reset
	}{
		{reset.None, reset.None, "yes", volatile.Reset{
			Scope: reset.All, Why: []string{"the firmware"}, Firmware: true}},
		{reset.Var, reset.None, "yes", volatile.Reset{
			Scope: reset.All, Rest: reset.Var, Why: []string{"freshroot.reset=var", "the firmware"},
			Firmware: true}},
		{reset.None, reset.All, "yes", volatile.Reset{
			Scope: reset.All, Rest: reset.All, Why: []string{"the firmware", "freshroot reset"},
			Firmware: true, Request: true}},
		{reset.Var, reset.None, "", volatile.Reset{
			Scope: reset.Var, Rest: reset.Var, Why: []string{"freshroot.reset=var"}}},
	} {
		plan, err := volatile.New(volatile.Facts{
			Options:  defaults(func(o *volatile.Options) { o.Reset = tc.option }),
			Arch:     "x86-64",
			Entries:  []string{"usr:org.example.os:x86-64:1", entry},
			Check:    func(string) error { return nil },
			Firmware: firmware(tc.firmware),
			Golden: func(volatile.Usr, string) volatile.Golden {
				return volatile.Golden{Request: reset.Request{Reset: tc.request}}
			},
			LoaderCounts: func() bool { return false },
		})
		if err != nil {
			t.Fatal(err)
		}
		tc.want.Instance = entry
		if diff := cmp.Diff(volatile.Step(tc.want), plan.Steps[0]); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tc, diff)
		}
	}
}
