package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/pool"
	"github.com/freshroot/freshroot/pkg/volatile"
)

func TestIntegrationLogCommands(t *testing.T) {
	b := runningFrom(t, volatile.Yes, v+"2+1-2", v+"2+1-2", v+"1")
	b.Tries = &tries{1, 2}
	said := func(text string) func() ([]byte, error) {
		return func() ([]byte, error) { return []byte(text), nil }
	}
	show := func(name string) string {
		var out strings.Builder
		if err := b.showLog(&out, name); err != nil {
			out.WriteString(err.Error())
		}
		return out.String()
	}
	if err := b.saveLog(said("it fails\n")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"2": "it fails\n",
		"1": `no log is kept of "usr:org.example.os:x86-64:1"`,
		"3": `"3" is not in the pool`,
	} {
		if diff := cmp.Diff(want, show(name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	s := bootStatus{bootRecord: b}
	if err := b.readPool(s.look); err != nil || len(s.Logs) != 1 || s.Logs[0] != b.Usr {
		t.Errorf("status: %q, error %v", s.Logs, err)
	}
	if err := b.bless(&strings.Builder{}, 0); err != nil {
		t.Fatal(err)
	}
	if err := b.saveLog(said("too late\n")); err != nil {
		t.Fatal(err)
	}
	if got := show("2"); !strings.Contains(got, "no log is kept") {
		t.Errorf("after it was blessed: %q", got)
	}
	b.Tries = nil
	err := b.saveLog(func() ([]byte, error) { return nil, errors.New("was read") })
	if err != nil {
		t.Errorf("a version without counter: %v", err)
	}
}

func TestReadEnd(t *testing.T) {
	long := append(bytes.Repeat([]byte("x"), 5*pool.MaxLog), "the end"...)
	got, err := readEnd(bytes.NewReader(long))
	if err != nil || !bytes.HasSuffix(got, []byte("xthe end")) || len(got) < pool.MaxLog || len(got) > 2*pool.MaxLog {
		t.Errorf("%d bytes, error %v", len(got), err)
	}
	broken := errors.New("broken")
	if _, err := readEnd(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestLogUsage(t *testing.T) {
	for _, args := range [][]string{{"log", "show"}, {"log", "save", "x"}, {"log", "what"}} {
		var usage usageError
		if _, err := run(t, args...); !errors.As(err, &usage) {
			t.Errorf("%q: error %v, want wrong usage", args, err)
		}
	}
}
