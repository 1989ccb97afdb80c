package qemutests_test

import (
	"strings"
	"testing"

	"github.com/freshroot/freshroot/qemu-tests/guest"
)

// TestIntegrationNearMisses boots in spite of what it does not understand, and says on
// the console what was meant.
func TestIntegrationNearMisses(t *testing.T) {
	t.Parallel()
	r := busyboxMachine(t).boot("volatile=sate freshroot.timout=5 freshroot.log=inf " +
		"freshroot.tmpfs=size=lots rootflags=subvol=elsewhere,compress=zstd")
	for _, want := range []string{
		"volatile=sate is not understood and was left out; did you mean state",
		"freshroot.timout= is not known and was left out; did you mean freshroot.timeout",
		"freshroot.log=inf is not understood and was left out; did you mean info",
		"freshroot.tmpfs=size=lots is not understood",
		"rootflags=subvol=elsewhere was left out",
	} {
		if !r.warned(want) {
			t.Errorf("no warning %q: %q", want, r.boot.Warnings)
		}
	}
	if r.boot.Mode != "no" {
		t.Errorf("mode %q", r.boot.Mode)
	}
	if m := r.Mount("/"); !strings.Contains(m.SuperOptions, "compress=zstd") {
		t.Errorf("rootflags= had no effect: %+v", m)
	}
}

// TestIntegrationKeys boots with keys whose effect is in the guest's report.
func TestIntegrationKeys(t *testing.T) {
	for _, test := range []struct {
		name, cmdline string
		check         func(t *testing.T, r *report)
	}{
		{"ro", "ro", func(t *testing.T, r *report) {
			if got := r.Markers["/"]; got != guest.MarkerUnwritable {
				t.Errorf("marker in /: %s", got)
			}
		}},
		{"ro does not concern RAM", "ro volatile=yes", func(t *testing.T, r *report) {
			if got := r.Markers["/"]; got != guest.MarkerNew {
				t.Errorf("marker in /: %s", got)
			}
		}},
		{"the last one wins", "volatile=state systemd.volatile", func(t *testing.T, r *report) {
			if r.boot.Mode != "yes" {
				t.Errorf("mode %s", r.boot.Mode)
			}
		}},
		{"tmpfs", "volatile=yes freshroot.tmpfs=size=32m", func(t *testing.T, r *report) {
			options := r.Mount("/").SuperOptions
			for _, want := range []string{"size=32768k", "nr_inodes=1048576"} {
				if !strings.Contains(options, want) {
					t.Errorf("mounted with %s, want %s", options, want)
				}
			}
		}},
		{"quiet", "volatile=yes quiet", func(t *testing.T, r *report) {
			before, _, _ := strings.Cut(r.console, "GUEST-UP")
			if strings.Contains(before, "freshroot") {
				t.Errorf("not quiet:\n%s", before)
			}
		}},
		{"debug", "volatile=yes freshroot.log=debug", func(t *testing.T, r *report) {
			if !strings.Contains(r.console, "freshroot: bind /pool/"+usr) {
				t.Error("no steps on the console")
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.check(t, busyboxMachine(t).boot(test.cmdline))
		})
	}
}
