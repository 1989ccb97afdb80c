package specifier_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/pkg/specifier"
)

func lookup(letter byte) (string, error) {
	switch letter {
	case 'm':
		return "", specifier.ErrUnresolved
	case 'T':
		return "/tmp", nil
	case 'e':
		return "", nil
	case 'p':
		return "%T", nil
	}
	return "", specifier.ErrUnknown
}

func TestExpand(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "plain": "plain", "%T": "/tmp", "a%Tb%Tc": "a/tmpb/tmpc",
		"%%": "%", "%%T": "%T", "100%": "100%", "%": "%", "a%-b": "a%-b", "%/": "%/",
		"x%ey": "xy", "%%%T%": "%/tmp%", "%p": "%T", "%\xc3\xa4": "%ä",
	} {
		if got, err := specifier.Expand(s, lookup); err != nil || got != want {
			t.Errorf("Expand(%q) = %q, %v, want %q", s, got, err, want)
		}
	}
	for s, want := range map[string]error{
		"%z": specifier.ErrUnknown, "a%1": specifier.ErrUnknown,
		"%T%m": specifier.ErrUnresolved, "%%%m": specifier.ErrUnresolved,
	} {
		if got, err := specifier.Expand(s, lookup); !errors.Is(err, want) {
			t.Errorf("Expand(%q) = %q, %v, want %v", s, got, err, want)
		}
	}
}

// FuzzExpand sees that doubling all percent signs is undone.
func FuzzExpand(f *testing.F) {
	f.Add("a%Tb%%")
	f.Add("%")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := specifier.Expand(strings.ReplaceAll(s, "%", "%%"), lookup)
		if err != nil || got != s {
			t.Errorf("%q became %q, %v", s, got, err)
		}
		if _, err := specifier.Expand(s, lookup); err != nil && !strings.Contains(s, "%") {
			t.Errorf("Expand(%q): %v", s, err)
		}
	})
}
