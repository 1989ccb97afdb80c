package subvol_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/subvol"
)

// TestTriesAfter goes from each counter to the ones that may follow it.
func TestTriesAfter(t *testing.T) {
	const v = "usr:v:x86_64:1" // spelled in another way, which stays
	for name, want := range map[string]struct{ next, back, spent, failed string }{
		v + "+3":                         {v + "+2-1", v + "+3", v + "+0", v + "+0-1"},
		v + "+2-1":                       {v + "+1-2", v + "+3", v + "+0-1", v + "+0-2"},
		v + "+1-2":                       {v + "+0-3", v + "+2-1", v + "+0-2", v + "+0-3"},
		v + "+0-3":                       {v + "+0-3", v + "+1-2", v + "+0-3", v + "+0-4"},
		v + "+0":                         {v + "+0", v + "+0", v + "+0", v + "+0-1"},
		v:                                {v, v, v + "+0", v + "+0-1"},
		v + "+git+03-01":                 {v + "+git+2-2", v + "+git+4", v + "+git+0-1", v + "+git+0-2"},
		v + "+1-2147483647":              {v + "+0-2147483647", v + "+2-2147483646", v + "+0-2147483647", v + "+0-2147483647"},
		v + "+2147483647-1":              {v + "+2147483646-2", v + "+2147483647", v + "+0-1", v + "+0-2"},
		"usr:v:x86-64:1~rc^x+2147483647": {"usr:v:x86-64:1~rc^x+2147483646-1", "usr:v:x86-64:1~rc^x+2147483647", "usr:v:x86-64:1~rc^x+0", "usr:v:x86-64:1~rc^x+0-1"},
	} {
		m, err := subvol.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			what, want string
			tries      subvol.Tries
		}{
			{"next", want.next, m.Tries.Next()},
			{"back", want.back, m.Tries.Back()},
			{"spent", want.spent, m.Tries.Spent()},
			{"failed", want.failed, m.Tries.Failed()},
		} {
			got, err := subvol.Recount(name, c.tries)
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%s of %q: error %v (-want +got):\n%s", c.what, name, err, diff)
			}
		}
	}
}

func TestRecountRejects(t *testing.T) {
	for name, tries := range map[string]subvol.Tries{
		"usr:v:x86-64:1+2+3":  {}, // would be version 1 with two tries
		"root:default:v:a":    {Counted: true},
		"runtime:v:x86-64:1":  {Counted: true},
		"usr:v:x86-64":        {},
		"usr:v:x86-64:1":      {Counted: true, Left: 1 << 31},
		"usr:v:x86-64:1+9-99": {Counted: true, Done: 1<<32 - 1},
	} {
		if got, err := subvol.Recount(name, tries); err == nil {
			t.Errorf("Recount(%q, %q) = %q, want an error", name, tries, got)
		}
	}
}
