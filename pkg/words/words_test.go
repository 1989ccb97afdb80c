package words_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/words"
)

const both = words.Unquote | words.Unescape

func TestFields(t *testing.T) {
	for _, tc := range []struct {
		line  string
		flags words.Flags
		n     int
		want  []string
		rest  string
	}{
		{"", both, 3, []string{}, ""},
		{" \t ", both, 3, []string{}, ""},
		{"d /a  0755\troot ", both, 2, []string{"d", "/a"}, "0755\troot "},
		{"d /a", both, 6, []string{"d", "/a"}, ""},
		{`f "/a b" 'c d' x`, both, 3, []string{"f", "/a b", "c d"}, "x"},
		{`"" ''`, both, 3, []string{"", ""}, ""},
		{`a"b c"d'e f'`, both, 3, []string{"ab cde f"}, ""},
		{`'a"b' "c'd"`, both, 2, []string{`a"b`, `c'd`}, ""},
		{`a\sb\x41\101\tc`, both, 1, []string{"a bAA\tc"}, ""},
		{`\u00e4\U0001f600\xe4`, both, 1, []string{"ä😀\xe4"}, ""},
		{`"a\"b" c`, both, 2, []string{`a"b`, "c"}, ""},
		{`a\ b`, words.Unquote, 1, []string{"a b"}, ""},
		{`a\nb "x\y"`, words.Unquote, 2, []string{"anb", "xy"}, ""},
		{`"a b"`, 0, 3, []string{`"a`, `b"`}, ""},
		{"\ud7ff" + `\ud800`, both, 1, []string{"\ud7ff\xed\xa0\x80"}, ""},
	} {
		got, rest, err := words.Fields(tc.line, tc.n, tc.flags)
		if err != nil {
			t.Errorf("Fields(%q): %v", tc.line, err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" || rest != tc.rest {
			t.Errorf("Fields(%q): rest %q (-want +got):\n%s", tc.line, rest, diff)
		}
	}
}

func TestNextRefuses(t *testing.T) {
	for line, want := range map[string]error{
		`"a b`: words.ErrQuote, `a'`: words.ErrQuote, `"a'`: words.ErrQuote,
		`a\`: words.ErrEscape, `"a\`: words.ErrEscape, `\q`: words.ErrEscape,
		`\x4`: words.ErrEscape, `\x4g`: words.ErrEscape, `\x00`: words.ErrEscape,
		`\08`: words.ErrEscape, `\000`: words.ErrEscape, `\400`: words.ErrEscape,
		`\u12`: words.ErrEscape, `\u0000`: words.ErrEscape,
		`\U00110000`: words.ErrEscape, `\U0000d800`: words.ErrEscape,
		`\a b"`: nil,
	} {
		if _, _, _, err := words.Next(line, both); !errors.Is(err, want) {
			t.Errorf("Next(%q) = %v, want %v", line, err, want)
		}
	}
	if _, _, err := words.Fields(`a "b`, 2, both); !errors.Is(err, words.ErrQuote) {
		t.Errorf("second of two words: %v", err)
	}
}

func TestCUnescape(t *testing.T) {
	for s, want := range map[string]string{
		"":            "",
		"plain 'x'":   "plain 'x'",
		`a\nb\\c`:     "a\nb\\c",
		`\x41\102\s.`: "AB .",
		`\a\b\f\r\v`:  "\a\b\f\r\v",
	} {
		if got, err := words.CUnescape(s); err != nil || got != want {
			t.Errorf("CUnescape(%q) = %q, %v, want %q", s, got, err, want)
		}
	}
	for _, s := range []string{`\`, `a\`, `\z`, `\x`, `\xzz`} {
		if got, err := words.CUnescape(s); !errors.Is(err, words.ErrEscape) {
			t.Errorf("CUnescape(%q) = %q, %v, want an error", s, got, err)
		}
	}
}

// FuzzNext sees that words end: each takes something of the line away, and is not longer
// than what was taken.
func FuzzNext(f *testing.F) {
	for _, s := range []string{"", "a b", `"a b" c`, `\x41`, `a\`, `'`, "\x00 \xff"} {
		f.Add(s, uint8(both))
	}
	f.Fuzz(func(t *testing.T, line string, flags uint8) {
		for s, ok := line, true; ok; {
			word, rest, more, err := words.Next(s, words.Flags(flags)&both)
			if err != nil {
				return
			}
			if ok = more; ok && (len(rest) >= len(s) || !strings.HasSuffix(s, rest)) {
				t.Fatalf("Next(%q) leaves %q", s, rest)
			}
			if len(word) > len(s)-len(rest) {
				t.Fatalf("Next(%q) = %q, which is longer", s, word)
			}
			s = rest
		}
	})
}

// FuzzCUnescape sees that what has no backslash left is as it was.
func FuzzCUnescape(f *testing.F) {
	f.Add(`a\n\x41\u00e4`)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := words.CUnescape(s)
		if err == nil && len(got) > len(s) {
			t.Errorf("CUnescape(%q) = %q", s, got)
		}
		if !strings.Contains(s, `\`) && (err != nil || got != s) {
			t.Errorf("CUnescape(%q) = %q, %v", s, got, err)
		}
	})
}

func TestAssignment(t *testing.T) {
	const text = "# ID=no\nID=one\n NAME=\"An OS\"\nID='two'\nVERSION=\"x\nPRETTY_NAME=\"a \\\"b\\\"\"\n"
	for key, want := range map[string]string{
		"ID": "two", "NAME": "An OS", "VERSION": "", "PRETTY_NAME": `a "b"`, "OTHER": "",
	} {
		if got := words.Assignment(text, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}
