package qemutests_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// What the pool was when power went.
const (
	untouched = iota
	between   // something was prepared, or done but not yet cleared
	complete
	failed
)

var whats = [...]string{"as before", "in between", "as after", "harmed"}

// tally counts, by episode.
type tally struct {
	mu   sync.Mutex
	rows []row
}

type row struct {
	name   string
	cuts   int
	counts [failed + 1]int
}

func (y *tally) add(name string, cuts int) {
	y.rows = append(y.rows, row{name: name, cuts: cuts})
}

func (y *tally) count(name string, what int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	i := slices.IndexFunc(y.rows, func(r row) bool { return r.name == name })
	y.rows[i].counts[what]++
}

// print prints a table in Markdown.
func (y *tally) print(t *testing.T) {
	var b strings.Builder
	fmt.Fprintf(&b, "\n| episode | cuts | %s |\n| --- | --- | --- | --- | --- | --- |\n",
		strings.Join(whats[:], " | "))
	total := row{name: "all"}
	for _, r := range y.rows {
		total.cuts += r.cuts
		for i, n := range r.counts {
			total.counts[i] += n
		}
	}
	for _, r := range append(y.rows, total) {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d |\n", r.name, r.cuts,
			r.counts[untouched], r.counts[between], r.counts[complete], r.counts[failed])
	}
	t.Log(b.String())
}
