package reset_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/reset"
)

const name = "root:default:org.example.os:x86-64"

var (
	at   = time.Date(2026, 11, 23, 23, 15, 0, 0, time.UTC)
	west = time.FixedZone("", -2*60*60)
)

func TestRequest(t *testing.T) {
	for text, want := range map[string]reset.Request{
		"reset var\n": {Reset: reset.Var},
		"reset all\n": {Reset: reset.All},
		"undo " + name + "@7-20261123T231500Z.var\n": {Undo: name + "@7-20261123T231500Z.var"},
	} {
		got, err := reset.ParseRequest(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil || got.String() != text {
			t.Errorf("%q: %v, %q (-want +got):\n%s", text, err, got, diff)
		}
	}
	for _, text := range []string{
		"", "\n", "reset", "reset usr", "reset var all", "undo", "undo ../../etc", "reset var\n\n",
		"undo " + strings.Repeat("x", 300),
	} {
		if got, err := reset.ParseRequest(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

func TestRenamed(t *testing.T) {
	const other = "root:other:org.example.os:x86-64"
	trashed := reset.Trashed{Instance: name, Number: 7, Time: at, Scope: reset.All}
	undo := reset.Request{Undo: trashed.String()}
	trashed.Instance = other
	if got := undo.Renamed(other); got.Undo != trashed.String() {
		t.Errorf("undo: %+v", got)
	}
	if got, want := (reset.Request{Reset: reset.Var}).Renamed(other), (reset.Request{Reset: reset.Var}); got != want {
		t.Errorf("reset: %+v", got)
	}
}

func TestTrashed(t *testing.T) {
	want := reset.Trashed{Instance: name, Number: 7, Time: at, Scope: reset.All}
	const text = name + "@7-20261123T231500Z.all"
	got, err := reset.ParseTrashed(text)
	if diff := cmp.Diff(want, got); diff != "" || err != nil || got.String() != text {
		t.Errorf("%v, %q (-want +got):\n%s", err, got, diff)
	}
	for _, text := range []string{
		"", "@", name, name + "@7", name + "@7-20261123T231500Z", name + "@7-20261123T231500Z.usr",
		name + "@07-20261123T231500Z.all", name + "@-7-20261123T231500Z.all", name + "@7-2026.all",
		"usr:a:b:1@7-20261123T231500Z.all", "../x@7-20261123T231500Z.all", name + "@7-20261123T231500Z.all/..",
	} {
		if got, err := reset.ParseTrashed(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

// TestTrashClock has a clock that is anywhere, and names that can be read all the same.
func TestTrashClock(t *testing.T) {
	for now, want := range map[time.Time]string{
		at.Add(time.Nanosecond):                        "20261123T231500Z",
		time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC):   "99991231T235959Z",
		time.Date(9999, 12, 31, 23, 0, 0, 0, west):     "99991231T235959Z",
		time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC):       "00000101T000000Z",
		time.Date(-1, 12, 31, 23, 59, 59, 0, time.UTC): "00000101T000000Z",
		time.Unix(1<<60, 0):                            "99991231T235959Z",
		time.Unix(-1<<60, 0):                           "00000101T000000Z",
		{}:                                             "00010101T000000Z",
	} {
		next := reset.Next(nil, name, reset.All, now)
		if got := next.String(); got != name+"@1-"+want+".all" {
			t.Errorf("at %v: %q, want %s", now, got, want)
		}
		got, err := reset.ParseTrashed(next.String())
		if diff := cmp.Diff(next, got); diff != "" || err != nil {
			t.Errorf("at %v: %v (-want +got):\n%s", now, err, diff)
		}
	}
}

// TestTrashOrder goes by the numbers, since the clock may be at 1970.
func TestTrashOrder(t *testing.T) {
	const other = "root:other:org.example.os:x86-64"
	var list []reset.Trashed
	for i, instance := range []string{name, other, name, name} {
		list = append(list, reset.Next(list, instance, reset.Var, at.Add(-time.Duration(i)*time.Hour)))
	}
	if newest, ok := reset.Newest(list, name); !ok || newest.Number != 4 {
		t.Errorf("newest is %v, %v", newest, ok)
	}
	if _, ok := reset.Newest(list, "root:none:a:b"); ok {
		t.Error("an instance without trash has some")
	}
	for spare, want := range map[int]int{0: 4, 1: 2, 2: 1, 3: 0} {
		if got := reset.Surplus(list, spare); len(got) != want {
			t.Errorf("beyond %d: %v, want %d", spare, got, want)
		}
	}
}

func TestIncludes(t *testing.T) {
	for _, tc := range []struct {
		scope, other reset.Scope
		want         bool
	}{
		{reset.All, reset.Var, true}, {reset.Var, reset.All, false}, {reset.Var, reset.Var, true},
		{reset.None, reset.Var, false}, {reset.None, reset.None, true},
	} {
		if got := tc.scope.Includes(tc.other); got != tc.want {
			t.Errorf("%q includes %q: %v", tc.scope, tc.other, got)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add("reset var\n")
	f.Add("undo " + name + "@7-20261123T231500Z.all\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := reset.ParseRequest(text)
		if err != nil {
			return
		}
		again, err := reset.ParseRequest(r.String())
		if diff := cmp.Diff(r, again); diff != "" || err != nil || strings.Contains(r.Undo, "/") {
			t.Errorf("%q: %v (-first +again):\n%s", text, err, diff)
		}
	})
}
