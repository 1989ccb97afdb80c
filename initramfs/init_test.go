package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/cmdline"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// TestAppendJSON reads back what was written, with the standard library.
func TestAppendJSON(t *testing.T) {
	text := appendJSON(nil, []field{
		{"string", "a\"\\\n\x7f\x01é\xff"}, {"int", -3}, {"float", 1.5}, {"bool", true},
		{"none", []string{}}, {"list", []string{"a", "b"}},
		{"objects", [][]field{{{"a", 1}}, {}}}, {"object", []field{{"b", "c"}}},
	}, "")
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	want := map[string]any{
		"string": "a\"\\\n\x7f\x01é\ufffd", "int": -3.0, "float": 1.5, "bool": true,
		"none": []any{}, "list": []any{"a", "b"},
		"objects": []any{map[string]any{"a": 1.0}, map[string]any{}}, "object": map[string]any{"b": "c"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, text)
	}
}

func FuzzAppendString(f *testing.F) {
	f.Add("a\"\\\n\xff\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if want := string([]rune(s)); got != want {
			t.Errorf("%q came back as %q, want %q", s, got, want)
		}
	})
}

// TestDescribe sees that the record of a boot is JSON, whatever the disk holds.
func TestDescribe(t *testing.T) {
	b := newBoot()
	b.modules = &modules{done: []timed{{"btrfs", time.Second, time.Millisecond}}}
	b.pool = volatile.Partition{Device: "/dev/vda1", Label: "a\"\xff"}
	for range 2 * maxSkipped {
		b.plan.Usr.Skipped = append(b.plan.Usr.Skipped, volatile.Skipped{Entry: "usr:\n", Reason: "x"})
	}
	b.plan.CountedBy = volatile.CountedByInit
	b.plan.Usr.Member.Tries = subvol.Tries{Counted: true, Left: 2, Done: 1}
	var got struct {
		Tries   struct{ Left, Done int }
		Format  int
		Skipped []volatile.Skipped
		Modules []struct{ Took float64 }
		Pool    struct{ Partlabel string }
	}
	if err := json.Unmarshal(appendJSON(nil, b.describe("/init"), ""), &got); err != nil {
		t.Fatal(err)
	}
	if got.Tries.Left != 2 || got.Tries.Done != 1 {
		t.Errorf("tries: %+v", got.Tries)
	}
	if got.Format != 1 || len(got.Skipped) != maxSkipped || got.Modules[0].Took != 0.001 || got.Pool.Partlabel != "a\"\ufffd" {
		t.Errorf("got %+v", got)
	}
}

func TestOnFailure(t *testing.T) {
	for line, want := range map[string]struct {
		action string
		delay  time.Duration
	}{
		"":                                       {"halt", 0},
		"panic=0":                                {"halt", 0},
		"panic=x":                                {"halt", 0},
		"panic=30":                               {"reboot", 30 * time.Second},
		"panic=-1":                               {"reboot", 0},
		"freshroot.on-failure=poweroff":          {"poweroff", 10 * time.Second},
		"freshroot.on-failure=reboot panic=5":    {"reboot", 5 * time.Second},
		"freshroot.on-failure=shell panic=5":     {"shell", 0},
		"freshroot.on-failure=halt panic=5":      {"halt", 0},
		"freshroot.on-failure=explode":           {"halt", 0},
		"freshroot.on-failure=poweroff panic=-1": {"poweroff", 0},
	} {
		b := newBoot()
		b.params = cmdline.Parse(line)
		b.opts, _ = volatile.ParseOptions(b.params)
		if action, delay := b.onFailure(); action != want.action || delay != want.delay {
			t.Errorf("%q: %s in %v, want %s in %v", line, action, delay, want.action, want.delay)
		}
		if next := then(want.action, want.delay); next == "" {
			t.Errorf("%q: nothing is said", line)
		}
	}
}

// TestEndOfTries reboots as long as there is another try, and not forever: after a failure
// that is not of the counting itself or of what comes before it, and after a panic.
func TestEndOfTries(t *testing.T) {
	kernels := panicSeconds{0, false}
	for _, c := range []struct {
		line              string
		counted, degraded bool
		action            string
		panic             panicSeconds
	}{
		{"", true, false, "reboot", panicSeconds{panicDelay, true}},
		{"panic=0", true, false, "reboot", kernels},
		{"freshroot.on-failure=halt", true, false, "halt", panicSeconds{panicDelay, true}},
		{"", false, false, "halt", kernels},
		{"panic=5", false, false, "reboot", kernels},
		{"", false, true, "halt", panicSeconds{0, true}},
		{"panic=5", false, true, "halt", panicSeconds{0, true}},
		{"freshroot.on-failure=poweroff", false, true, "poweroff", panicSeconds{0, true}},
		{"freshroot.on-failure=reboot", false, true, "reboot", kernels},
		{"freshroot.on-failure=reboot panic=5", false, true, "reboot", kernels},
	} {
		b := newBoot()
		b.params, b.counted = cmdline.Parse(c.line), c.counted
		b.opts, _ = volatile.ParseOptions(b.params)
		b.plan = volatile.Plan{
			Options: b.opts, Usr: volatile.Usr{Degraded: c.degraded}, CountedBy: volatile.CountedByInit,
		}
		if action, _ := b.onFailure(); action != c.action {
			t.Errorf("%+v: %s", c, action)
		}
		got := kernels
		if seconds, decided := b.onPanic(); decided {
			got = panicSeconds{seconds, true}
		}
		if got != c.panic {
			t.Errorf("%+v: a panic: %+v", c, got)
		}
	}
}

// panicSeconds is what the kernel is told, if anything.
type panicSeconds struct {
	seconds int
	told    bool
}

// TestWarnOnce has a plan that is made twice, with warnings of its own each time.
func TestWarnOnce(t *testing.T) {
	b := newBoot()
	b.warnOnce([]string{"a", "b"})
	b.warn("the pool cannot be written to")
	b.warnOnce([]string{"b", "c"})
	want := []string{"a", "b", "the pool cannot be written to", "c"}
	if diff := cmp.Diff(want, b.record.warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestGuard(t *testing.T) {
	var f *volatile.Failure
	err := guard(func() error { panic("at the disco") })
	if !errors.As(err, &f) || f.Problem != volatile.Panic || !strings.Contains(f.What, "at the disco") || len(f.Seen) < 4 {
		t.Errorf("got %v", err)
	}
	if err := guard(func() error { return nil }); err != nil {
		t.Error(err)
	}
}

func TestPrintable(t *testing.T) {
	got := strings.Map(printable, "a\x1b[2J\n\tb\xff é\x7f")
	if want := "a?[2J??b? é?"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
