package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		times []time.Duration
		want  time.Duration
	}{
		{nil, 0},
		{[]time.Duration{7}, 7},
		{[]time.Duration{9, 1, 5}, 5},
		{[]time.Duration{1, 100, 3, 5}, 4},
	} {
		if got := median(test.times); got != test.want {
			t.Errorf("median(%v) = %v, want %v", test.times, got, test.want)
		}
	}
}

func TestWords(t *testing.T) {
	a, b := 1500*time.Microsecond, 3*time.Millisecond
	got := []string{ms(a), signedMS(a), signedMS(-a), ratio(a, b), ratio(a, 0)}
	want := []string{"1.5", "+1.5", "-1.5", "0.50", "-"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTable(t *testing.T) {
	table := newTable("name", "ms")
	table.row("a long name", "1.0")
	table.row("b", "12.0")
	want := `| name        | ms   |
| ----------- | ---- |
| a long name | 1.0  |
| b           | 12.0 |
`
	if diff := cmp.Diff(want, table.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestChoose(t *testing.T) {
	names := func(sections []section) (names []string) {
		for _, s := range sections {
			names = append(names, s.name)
		}
		return names
	}
	for _, test := range []struct{ args, want []string }{
		{nil, names(sections)},
		{[]string{"size", "boot"}, []string{"size", "boot"}},
	} {
		got, err := choose(test.args)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, names(got)); diff != "" {
			t.Errorf("choose(%q) (-want +got):\n%s", test.args, diff)
		}
	}
	if _, err := choose([]string{"no such"}); err == nil {
		t.Error("an unknown section was chosen")
	}
}
