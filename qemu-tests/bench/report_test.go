package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// consoleOfFreshroot is what mark/mark.c prints, in the middle of other lines.
const consoleOfFreshroot = `SeaBIOS
BENCH maxrss 4568
BENCH json {
BENCH json   "phases": [
BENCH json     {"name": "early", "at": 2.011, "took": 0.001},
BENCH json     {"name": "devices", "at": 2.012, "took": 0.110},
BENCH json     {"name": "pool", "at": 2.122, "took": 0.004},
BENCH json     {"name": "pick", "at": 2.126, "took": 0.002},
BENCH json     {"name": "root", "at": 2.128, "took": 0.003}
BENCH json   ],
BENCH json   "modules": [
BENCH json     {"name": "a", "at": 2.020, "took": 0.060},
BENCH json     {"name": "b", "at": 2.050, "took": 0.050}
BENCH json   ]
BENCH json }
BENCH log 6,346,2000000,-;Run /init as init process
[    2.1] a line of the kernel
BENCH log 14,380,2120000,-;freshroot: booting usr:x from /dev/vda1
BENCH log 12,404,2130000,-;bench: switched
BENCH end
BENCH log not looked at
`

const consoleOfFloor = `BENCH maxrss 700
BENCH log 6,346,2000000,-;Run /init as init process
BENCH log 12,370,2001000,-;floor: main
BENCH log 12,371,2101000,-;floor: modules 100000
BENCH log 12,372,2105000,-;floor: mounted
BENCH log 12,373,2108000,-;floor: assembled
BENCH log 12,374,2115000,-;bench: switched
BENCH end
`

func mustParse(t *testing.T, console string) *report {
	t.Helper()
	r, err := parseReport(console)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestParseReport(t *testing.T) {
	want := &report{MaxRSS: 700, Log: []logRecord{
		{2000 * time.Millisecond, "Run /init as init process"},
		{2001 * time.Millisecond, "floor: main"},
		{2101 * time.Millisecond, "floor: modules 100000"},
		{2105 * time.Millisecond, "floor: mounted"},
		{2108 * time.Millisecond, "floor: assembled"},
		{2115 * time.Millisecond, "bench: switched"},
	}}
	if diff := cmp.Diff(want, mustParse(t, consoleOfFloor)); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	got := mustParse(t, consoleOfFreshroot).Boot.Modules
	modules := []span{{"a", 2.020, 0.060}, {"b", 2.050, 0.050}}
	if diff := cmp.Diff(modules, got); diff != "" {
		t.Errorf("modules (-want +got):\n%s", diff)
	}
}

func TestParseReportRefuses(t *testing.T) {
	for _, test := range []struct{ name, console, want string }{
		{"nothing", "", "none, or half of it"},
		{"no end", strings.ReplaceAll(consoleOfFloor, "BENCH end", ""), "half of it"},
		{"a kind it does not know", "BENCH other 1\nBENCH end\n", "unknown kind"},
		{"a record without time", "BENCH log 6;text\nBENCH end\n", "no record"},
		{"no number", "BENCH maxrss x\nBENCH end\n", "invalid syntax"},
		{"no JSON", "BENCH json {\nBENCH end\n", "boot.json"},
	} {
		_, err := parseReport(test.console)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q in it", test.name, err, test.want)
		}
	}
}

func TestModuleTime(t *testing.T) {
	for _, test := range []struct {
		name, console string
		want          time.Duration
	}{
		// Side by side, so that the sum would be 110.
		{"freshroot", consoleOfFreshroot, 80 * time.Millisecond},
		{"floor", consoleOfFloor, 100 * time.Millisecond},
	} {
		got, err := mustParse(t, test.console).moduleTime()
		if err != nil || got != test.want {
			t.Errorf("%s: %v (%v), want %v", test.name, got, err, test.want)
		}
	}
}

func TestCovered(t *testing.T) {
	for _, test := range []struct {
		name  string
		spans []span
		want  time.Duration
	}{
		{"none", nil, 0},
		{"apart", []span{{At: 5, Took: 1}, {At: 1, Took: 1}}, 2 * time.Second},
		{"one within another", []span{{At: 1, Took: 4}, {At: 2, Took: 1}}, 4 * time.Second},
		{"overlapping", []span{{At: 1, Took: 2}, {At: 2, Took: 2}}, 3 * time.Second},
	} {
		if got := covered(test.spans); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// TestParts also has two clocks that are 8 ms apart, as the kernel's are.
func TestParts(t *testing.T) {
	for _, test := range []struct {
		name, console string
		want          []int // ms
	}{
		{"freshroot", consoleOfFreshroot, []int{4, 30, 4, 2, 3, 7}},
		{"floor", consoleOfFloor, []int{1, 0, 4, 0, 3, 7}},
	} {
		got, err := mustParse(t, test.console).parts()
		if err != nil {
			t.Fatal(err)
		}
		var rounded []int
		for _, d := range got {
			rounded = append(rounded, int(d.Milliseconds()))
		}
		if diff := cmp.Diff(test.want, rounded); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	if _, err := (&report{}).parts(); err == nil {
		t.Error("an empty report has parts")
	}
}
