package vm

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// done is a context that has ended: with it expect looks once and does not wait.
func done() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func write(t *testing.T, c *console, chunks ...string) {
	t.Helper()
	for _, chunk := range chunks {
		if n, err := c.Write([]byte(chunk)); n != len(chunk) || err != nil {
			t.Fatalf("wrote %d of %d: %v", n, len(chunk), err)
		}
	}
}

// TestExpect feeds the console chunk by chunk and, after all of them, expects one
// pattern after the other.
func TestExpect(t *testing.T) {
	type match []string
	for _, test := range []struct {
		name     string
		chunks   []string
		patterns []string
		want     []match // nil: does not come
	}{
		{"in pieces", []string{"on", "e\r", "\ntw", "o"}, []string{"one\n", "two"},
			[]match{{"one\n"}, {"two"}}},
		{"groups", []string{"a=1 b=2\n"}, []string{`a=(\d)( c)? b=(\d)`},
			[]match{{"a=1 b=2", "1", "", "2"}}},
		{"in order", []string{"one\ntwo\n"}, []string{"two", "one"},
			[]match{{"two"}, nil}},
		{"same line", []string{"one two\n"}, []string{"one", "two", "two"},
			[]match{{"one"}, {"two"}, nil}},
		{"whole line only", []string{"GUEST-UP bu"}, []string{"GUEST-UP (.*)\n"},
			[]match{nil}},
		{"prompt", []string{"x\n$ "}, []string{`^\$ $`}, []match{{"$ "}}},
		{"no span", []string{"one\ntwo\n"}, []string{"(?s)one.*two", "one"},
			[]match{nil, {"one"}}},
		{"empty match", []string{"x\n"}, []string{"", "", "x"},
			[]match{{""}, {""}, {"x"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newConsole(nil, 1<<10)
			write(t, c, test.chunks...)
			var got []match
			for _, p := range test.patterns {
				m, _ := c.expect(done(), regexp.MustCompile(p))
				got = append(got, m)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("matches (-want +got):\n%s", diff)
			}
		})
	}
}

// TestExpectWaits begins to expect before there is anything, in every order that
// the scheduler comes up with.
func TestExpectWaits(t *testing.T) {
	c := newConsole(nil, 1<<10)
	got := make(chan string)
	go func() {
		m, err := c.expect(t.Context(), regexp.MustCompile("(b.)\n"))
		got <- fmt.Sprint(m, err)
	}()
	for _, b := range []byte("a1\nb2\n") {
		write(t, c, string(b))
	}
	if diff := cmp.Diff("[b2\n b2] <nil>", <-got); diff != "" {
		t.Errorf("match (-want +got):\n%s", diff)
	}
}

func TestExpectEnds(t *testing.T) {
	for _, test := range []struct {
		name    string
		prepare func(c *console)
		want    error
		words   string
	}{
		{"context", func(*console) {}, context.Canceled, "canceled"},
		{"end", func(c *console) { c.close() }, ErrExited, "ended"},
		{"panic", func(c *console) {
			c.Write([]byte("[ 1.0] Kernel pan"))
			c.Write([]byte("ic - not syncing: why\r\nmore\n"))
		}, ErrPanic, "not syncing: why"},
		{"half a panic", func(c *console) {
			c.Write([]byte("Kernel panic - not syncing: wh"))
		}, context.Canceled, "canceled"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newConsole(nil, 1<<10)
			write(t, c, "before\n")
			test.prepare(c)
			m, err := c.expect(done(), regexp.MustCompile("never"))
			if m != nil || !errors.Is(err, test.want) ||
				!strings.HasSuffix(err.Error(), test.words) {
				t.Errorf("expect: %q, %v; want an error that ends in %q",
					m, err, test.words)
			}
			// What was printed still counts.
			if _, err := c.expect(done(), regexp.MustCompile("before")); err != nil {
				t.Errorf("expect what is there: %v", err)
			}
		})
	}
}

func TestConsoleIsBounded(t *testing.T) {
	const limit = 100
	c := newConsole(nil, limit)
	for i := range 1000 {
		write(t, c, fmt.Sprintf("line %d\n", i))
		if n := len(c.output()); n > limit {
			t.Fatalf("%d bytes are kept, more than %d", n, limit)
		}
	}
	m, err := c.expect(done(), regexp.MustCompile("line (9+)\n"))
	if diff := cmp.Diff([]string{"line 999\n", "999"}, m); diff != "" || err != nil {
		t.Errorf("the newest line (%v) (-want +got):\n%s", err, diff)
	}
	// More than the limit at once, in one line, with a panic behind it.
	write(t, c, strings.Repeat("x", 3*limit), "\n"+panicMark+"\n")
	if line, _ := c.panicked(); line != panicMark {
		t.Errorf("panic %q, want %q", line, panicMark)
	}
	if diff := cmp.Diff("x\n"+panicMark+"\n", c.tail(3)[limit/2-1:]); diff != "" {
		t.Errorf("tail (-want +got):\n%s", diff)
	}
}

func TestTail(t *testing.T) {
	c := newConsole(nil, 1<<10)
	write(t, c, "a\nb\nc\nd")
	for n, want := range map[int]string{1: "d", 2: "c\nd", 9: "a\nb\nc\nd"} {
		if diff := cmp.Diff(want, c.tail(n)); diff != "" {
			t.Errorf("tail %d (-want +got):\n%s", n, diff)
		}
	}
}

// failingWriter is a reader that went away.
type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestTeeMayFail(t *testing.T) {
	c := newConsole(failingWriter{}, 1<<10)
	write(t, c, "text")
	if diff := cmp.Diff("text", c.output()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

// FuzzExpect checks that how the output is cut into writes does not matter.
func FuzzExpect(f *testing.F) {
	f.Add("one\r\ntwo\n$ ", uint8(3), "t(.)o\n")
	f.Add("x\nKernel panic - not syncing: y\nz", uint8(1), "z")
	f.Add("GUEST-UP a\n\n\n", uint8(9), "^$")
	f.Fuzz(func(t *testing.T, output string, chunk uint8, pattern string) {
		re, err := regexp.Compile(pattern)
		if err != nil {
			return
		}
		whole, cut := newConsole(nil, 1<<16), newConsole(nil, 1<<16)
		write(t, whole, output)
		for rest := output; rest != ""; {
			n := min(int(chunk)+1, len(rest))
			write(t, cut, rest[:n])
			rest = rest[n:]
		}
		for range 3 {
			want, wantErr := whole.expect(done(), re)
			got, gotErr := cut.expect(done(), re)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("match (-whole +cut):\n%s", diff)
			}
			if diff := cmp.Diff(fmt.Sprint(wantErr), fmt.Sprint(gotErr)); diff != "" {
				t.Errorf("error (-whole +cut):\n%s", diff)
			}
		}
	})
}
