package volatile_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/cmdline"
	"github.com/freshroot/freshroot/pkg/volatile"
)

func TestNamed(t *testing.T) {
	entries := []string{
		"usr:a:x86-64:1+0-3", "usr:a:x86_64:2", "usr:a:x86-64:2+3", "usr:b:x86-64:2", "usr:a:arm64:2",
		"root:default:a:x86-64", "runtime:a:x86-64:2", "usr:a", "2", "a",
	}
	for name, want := range map[string][]string{
		"1":                  {"usr:a:x86-64:1+0-3"},
		"2":                  {"usr:a:x86_64:2", "usr:a:x86-64:2+3", "usr:b:x86-64:2"},
		"a:2":                {"usr:a:x86_64:2", "usr:a:x86-64:2+3"},
		"usr:b:x86-64:2":     {"usr:b:x86-64:2"},
		"usr:a:x86-64:1+2-1": {"usr:a:x86-64:1+0-3"},
		"usr:a:arm64:2":      {"usr:a:arm64:2"},
		"a":                  nil, // a vendor is no version
		"a:3":                nil,
		"":                   nil,
	} {
		if diff := cmp.Diff(want, volatile.Named(entries, name, "x86-64")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", name, diff)
		}
	}
}

func TestWatchdogOption(t *testing.T) {
	for value, want := range map[string]int{
		"60": 60, "1": 5, "99999": 3600, "off": 0, "no": 0, "0": 0, "": 7, "-1": 7, "soon": 7,
	} {
		line := "freshroot.watchdog=7 freshroot.watchdog=" + value
		opts, warnings := volatile.ParseOptions(cmdline.Parse(line))
		if opts.Watchdog != want || (len(warnings) > 0) != (want == 7) {
			t.Errorf("%q: %d, warnings: %q", value, opts.Watchdog, warnings)
		}
	}
}
