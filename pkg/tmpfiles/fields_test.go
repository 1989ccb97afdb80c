package tmpfiles_test

import (
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/tmpfiles"
)

// durations are time spans, and "" for those that are none.
var durations = map[string]time.Duration{
	"0": 0, "5": 5 * time.Second, " 5 ": 5 * time.Second, "+5": 5 * time.Second,
	"1h 30min": 90 * time.Minute, "1h30m": 90 * time.Minute, "2 weeks": 14 * 24 * time.Hour,
	"1d1h1m1s1ms1us": 25*time.Hour + time.Minute + time.Second + time.Millisecond + time.Microsecond,
	"1.5h":           90 * time.Minute, ".5s": time.Second / 2, "1.0000009s": time.Second,
	"1M": 2629800 * time.Second, "1month": 2629800 * time.Second,
	"1y": 31557600 * time.Second, "3months 2days": (3*2629800 + 2*86400) * time.Second,
	"7usec": 7 * time.Microsecond, "7μs": 7 * time.Microsecond, "7µs": 7 * time.Microsecond,
	"1msec": time.Millisecond, "1hr": time.Hour, "1w": 7 * 24 * time.Hour,
	"infinity": tmpfiles.Forever, " infinity ": tmpfiles.Forever, "12.34 .56": 12900 * time.Millisecond,
	"500years": tmpfiles.Forever,
}

var noDurations = []string{
	"", " ", "x", "-5", "5x", "1.h", "1. 5", "12.34.56", "5 -1", "infinity5", "0x5", "1,5",
	"99999999999999999999", "9223372036854775807s", "1e5", "s", "+", "+.5", "5 fortnights",
}

func TestParseDuration(t *testing.T) {
	for s, want := range durations {
		if got, err := tmpfiles.ParseDuration(s); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range noDurations {
		if got, err := tmpfiles.ParseDuration(s); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", s, got)
		}
	}
}

// TestDurationsAsSystemd asks systemd what it makes of the same time spans.
func TestDurationsAsSystemd(t *testing.T) {
	analyze := testfs.Tool(t, "systemd-analyze")
	micro := regexp.MustCompile(`μs: (\d+)`)
	list := noDurations
	for s, d := range durations {
		if d != tmpfiles.Forever {
			list = append(list, s)
		}
	}
	for _, s := range list {
		out, err := exec.Command(analyze, "timespan", "--", s).Output()
		got, gotErr := tmpfiles.ParseDuration(s)
		if (err == nil) != (gotErr == nil) {
			t.Errorf("%q: systemd %v, here %v", s, err, gotErr)
			continue
		}
		if err != nil {
			continue
		}
		m := micro.FindSubmatch(out)
		if m == nil || string(m[1]) != strconv.FormatInt(got.Microseconds(), 10) {
			t.Errorf("%q: here %v, systemd says\n%s", s, got, out)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for s := range durations {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := tmpfiles.ParseDuration(s)
		if d < 0 || err != nil && d != 0 {
			t.Errorf("ParseDuration(%q) = %v, %v", s, d, err)
		}
	})
}

func TestMatch(t *testing.T) {
	for pattern, paths := range map[string]struct{ yes, no string }{
		"/a":                      {"/a", "/ /b /a/ /a/b a"},
		"/a*":                     {"/a /ab /a.b", "/ /ba /a/b"},
		"/*":                      {"/a /-", "/.a /a/b a"},
		"/a/*b*c":                 {"/a/bc /a/xbbxcc", "/a/b /a/cb /a/b/c /a/.bc"},
		"/a?c":                    {"/abc /a.c", "/ac /a/c /abbc"},
		"/?a":                     {"/ba", "/.a /a"},
		"/.*":                     {"/.a /..", "/a"},
		`/\.a`:                    {"/.a", "/a"},
		"/[a-c]x":                 {"/ax /cx", "/dx /x"},
		"/[!a-c]x":                {"/dx /-x", "/ax /.x"},
		"/[^a]":                   {"/b", "/a /."},
		"/[]-]":                   {"/] /-", "/a"},
		"/[a":                     {"/[a", "/a"},
		`/\[a\*\\`:                {`/[a*\`, "/a /[ab"},
		"/[[:digit:]]":            {"/0 /9", "/a /:"},
		"/x[[:upper:][:space:]_]": {"/xA /x_", "/xa /x0"},
		"/[[:none:]]":             {"", "/a /["},
		"/[[.a.][=b=]]":           {"/a /b", "/c /."},
		`/[\]]`:                   {"/]", `/\`},
		"/x[a/b]":                 {"/xa", "/x/ /x/b"},
		`/a\/b`:                   {"/a/b", `/a\/b`},
		"/a/":                     {"/a/", "/a"},
		`/a\`:                     {"", `/a /a\`},
		"/é?":                     {"/éx", "/é"},
	} {
		for _, path := range strings.Fields(paths.yes) {
			if !tmpfiles.Match(pattern, path) {
				t.Errorf("Match(%q, %q) is false", pattern, path)
			}
		}
		for _, path := range strings.Fields(paths.no) {
			if tmpfiles.Match(pattern, path) {
				t.Errorf("Match(%q, %q) is true", pattern, path)
			}
		}
	}
}

// FuzzMatch sees that a path, quoted, matches itself, and that patterns take no time.
func FuzzMatch(f *testing.F) {
	f.Add("/a*[!b-]?", "/a.b/c")
	f.Add(strings.Repeat("*a", 50), strings.Repeat("a", 200))
	f.Add("[[:", "[a-\\")
	f.Fuzz(func(t *testing.T, pattern, path string) {
		tmpfiles.Match(pattern, path)
		var quoted strings.Builder
		for i := range len(path) {
			quoted.WriteByte('\\')
			quoted.WriteByte(path[i])
		}
		if !tmpfiles.Match(quoted.String(), path) {
			t.Errorf("Match(%q, %q) is false", quoted.String(), path)
		}
	})
}
