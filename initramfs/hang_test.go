package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/volatile"
)

// TestWithin leaves behind what does nothing any more, and only that.
func TestWithin(t *testing.T) {
	still := func() int64 { return 7 }
	late := errors.New("late")
	if err := within(0, still, func() error { return late }); err != late {
		t.Errorf("without a limit: %v", err)
	}
	if err := within(time.Hour, still, func() error { return late }); err != late {
		t.Errorf("in time: %v", err)
	}
	forever := func() error { select {} }
	var hang *hangError
	if err := within(time.Millisecond, still, forever); !errors.As(err, &hang) {
		t.Errorf("what hangs: %v", err)
	}
	// It has read and written ten times when it comes to its end.
	done, moved := make(chan bool), int64(0)
	err := within(time.Millisecond, func() int64 {
		if moved++; moved == 10 {
			close(done)
		}
		return moved
	}, func() error { <-done; return late })
	if err != late {
		t.Errorf("what is slow: %v", err)
	}
	var f *volatile.Failure
	err = within(time.Hour, still, func() error { panic("at the disco") })
	if !errors.As(err, &f) || f.Problem != volatile.Panic {
		t.Errorf("what panics: %v", err)
	}
}

func TestHangFailure(t *testing.T) {
	m := &modules{
		once: map[string]func() error{"virtio_blk": nil, "nvme": nil, "btrfs": nil},
		done: []timed{{name: "btrfs"}},
	}
	err := hangFailure("the phase devices", &hangError{time.Minute}, m.underWay())
	var f *volatile.Failure
	if !errors.As(err, &f) || f.Problem != volatile.Hang {
		t.Fatalf("got %v", err)
	}
	screen := strings.Join(f.Screen("6.1", "quiet", "next"), "\n")
	for _, want := range []string{
		"this does not come to an end: the phase devices",
		"nothing was read or written for 1m0s",
		"modules that are being loaded: nvme virtio_blk",
		"freshroot.deadline=",
	} {
		if !strings.Contains(screen, want) {
			t.Errorf("the screen lacks %q:\n%s", want, screen)
		}
	}
	var none *modules
	if diff := cmp.Diff([]string(nil), none.underWay()); diff != "" {
		t.Error(diff)
	}
}

// TestStepFailureKeepsWords has what is said by who knows more than the step.
func TestStepFailureKeepsWords(t *testing.T) {
	told := hangFailure("the step", &hangError{time.Minute}, nil)
	if err := stepFailure(volatile.Instantiate{}, told); err != told {
		t.Errorf("got %v", err)
	}
}
