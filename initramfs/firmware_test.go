package main

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// TestTakeOver has requests of the firmware that can be deleted, and some that cannot: no
// boot resets what the next one would reset again.
func TestTakeOver(t *testing.T) {
	const name = "root:default:org.example.os:x86-64"
	onlyVar := reset.Request{Reset: reset.Var}
	undo := reset.Request{Undo: name + "@7-20261123T231500Z.all"}
	for title, tc := range map[string]struct {
		before  reset.Request
		rest    reset.Scope
		stuck   bool
		want    volatile.Reset
		after   reset.Request
		refused bool
	}{
		"alone": {
			want:  volatile.Reset{Scope: reset.All, Request: true},
			after: reset.Request{Reset: reset.All},
		},
		"with an undo that waits": {
			before: undo,
			want:   volatile.Reset{Scope: reset.All, Request: true},
			after:  reset.Request{Reset: reset.All},
		},
		"stuck": {stuck: true, refused: true, want: volatile.Reset{Scope: reset.All}},
		"stuck, and an undo waits": {
			before: undo, stuck: true, refused: true,
			want: volatile.Reset{Scope: reset.All}, after: undo,
		},
		"stuck, and somebody else asks": {
			before: onlyVar, rest: reset.Var, stuck: true,
			want: volatile.Reset{Scope: reset.Var, Request: true}, after: onlyVar,
		},
	} {
		pool, b := testfs.Open(t, t.TempDir()), newBoot()
		if tc.before != (reset.Request{}) {
			if err := instance.WriteRequest(pool, name, tc.before); err != nil {
				t.Fatal(err)
			}
		}
		s := volatile.Reset{
			Instance: name, Scope: reset.All, Rest: tc.rest, Firmware: true,
			Request: tc.before.Reset != reset.None,
		}
		got, err := b.takeOver(pool, s, func() error {
			noted, err := instance.ReadRequest(pool, name)
			if noted.Reset != reset.All || err != nil {
				t.Errorf("%s: when the variable goes, the pool has %v, %v", title, noted, err)
			}
			if tc.stuck {
				return fs.ErrPermission
			}
			return nil
		})
		if errors.Is(err, fs.ErrPermission) != tc.refused {
			t.Errorf("%s: error %v", title, err)
		}
		if loud := len(b.record.warnings) > 0; loud != (tc.stuck && !tc.refused) {
			t.Errorf("%s: warnings %q", title, b.record.warnings)
		} else if loud && !strings.Contains(b.record.warnings[0], "NOT DONE") {
			t.Errorf("%s: warnings %q", title, b.record.warnings)
		}
		tc.want.Instance, tc.want.Rest, tc.want.Firmware = name, tc.rest, true
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", title, diff)
		}
		if after, err := instance.ReadRequest(pool, name); after != tc.after || err != nil {
			t.Errorf("%s: then the pool has %v, %v, want %v", title, after, err, tc.after)
		}
	}
}

// TestTakeOverNothing leaves alone what the firmware has no part in.
func TestTakeOverNothing(t *testing.T) {
	s := volatile.Reset{Scope: reset.Var, Request: true, Rest: reset.Var}
	got, err := newBoot().takeOver(nil, s, func() error { return errors.New("not this one") })
	if diff := cmp.Diff(s, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}
