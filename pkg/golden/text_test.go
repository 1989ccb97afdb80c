package golden

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/account"
	"github.com/freshroot/freshroot/pkg/specifier"
	"github.com/freshroot/freshroot/pkg/words"
)

func TestIsPassword(t *testing.T) {
	for field, want := range map[string]bool{
		"": false, "x": false, "*": false, "!": false, "!*": false, "!!": false, "*LK*": false,
		"!unprovisioned": false, "$y$j9T$a$b": true, "!$6$a$b": true, "*$1$a$b": true,
		"abJnggxhB/yWI": true, "hunter2": true,
	} {
		if got := IsPassword(field); got != want {
			t.Errorf("%q is a password: %t, want %t", field, got, want)
		}
	}
}

// lines makes a table of a text.
func lines(text string) table { return table{lines: strings.SplitAfter(text, "\n")} }

// What is no entry, and what is not to be changed, stays to the byte.
func TestEditKeepsTheRest(t *testing.T) {
	const odd = "# comment\n\n+@netgroup::::::\n+\nshort:x\nroot:*:0:0:::\r\nno end:!:0:0"
	a := &accounts{passwd: lines(odd), shadow: lines(odd), group: lines(odd)}
	if names := append(a.dropOrdinary(), a.lockPasswords()...); len(names) > 0 {
		t.Errorf("changed: %q", names)
	}
	for _, got := range []table{a.passwd, a.shadow, a.group} {
		if diff := cmp.Diff(odd, got.text()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// Whatever the files are: nobody with an ordinary number is left, nor any password,
// and doing it again changes nothing.
func FuzzAccounts(f *testing.F) {
	f.Add("root:x:0:0:::\nada:x:1000:1000:::\n", "ada:x:1000:root,ada\n", "ada:$6$a$b:1::::::\nroot::1::::::\n")
	f.Add("ada:$1$:01000:5", "g:$:60000:", "+::::::::\n::::")
	f.Fuzz(func(t *testing.T, passwd, group, shadow string) {
		a := &accounts{passwd: lines(passwd), group: lines(group), shadow: lines(shadow)}
		a.dropOrdinary()
		a.lockPasswords()
		for u := range account.Users(a.passwd.text()) {
			if !u.Compat() && ordinary(uint64(u.UID)) {
				t.Errorf("user left: %+v", u)
			}
		}
		for s := range account.Shadows(a.shadow.text()) {
			if IsPassword(s.Password) || s.Password == "" && !s.Compat() {
				t.Errorf("password left: %+v", s)
			}
		}
		before := [...]string{a.passwd.text(), a.group.text(), a.shadow.text()}
		a.dropOrdinary()
		a.lockPasswords()
		after := [...]string{a.passwd.text(), a.group.text(), a.shadow.text()}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("again (-before +after):\n%s", diff)
		}
	})
}

// What is written for a word reads as that word, in both grammars.
func FuzzWords(f *testing.F) {
	for _, word := range []string{"/etc/a", "a b", `"\'`, "%m%%", "\n\t\x7f\xff", "ä", "-", "A 'b'"} {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		if word == "" || strings.Contains(word, "\x00") {
			return // no name has one
		}
		checkWord(t, word, escape(word), words.Unquote|words.Unescape)
		if word != "-" && !strings.ContainsAny(word, "\n:") { // which end fields of passwd
			checkWord(t, word, field(word), words.Unquote)
		}
	})
}

func checkWord(t *testing.T, want, written string, grammar words.Flags) {
	t.Helper()
	none := func(byte) (string, error) { return "", specifier.ErrUnknown }
	got, rest, ok, err := words.Next(written+" next", grammar)
	if err != nil || !ok || rest != "next" {
		t.Fatalf("%q for %q: rest %q, %v", written, want, rest, err)
	}
	if got, err = specifier.Expand(got, none); err != nil || got != want {
		t.Errorf("%q for %q reads as %q, %v", written, want, got, err)
	}
}

// TestMentioned names in a file's change only who is in it.
func TestMentioned(t *testing.T) {
	got := mentioned("sudo:x:27:ada,eve\nada:x:1000:\n", []string{"ada", "bob", "x", "27"})
	if diff := cmp.Diff([]string{"ada", "x", "27"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
