package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/freshroot/freshroot/pkg/units"
)

// progressLine shows on a terminal what is being done, in one line that is written over, and
// nothing anywhere else. Its clock goes on also while a step has nothing to tell.
type progressLine struct {
	w     io.Writer
	begun time.Time
	after time.Duration // what ends before has no line

	sync.Mutex
	step  string
	text  string      // of the line, without the clock
	shown time.Time   // when the line was last written; zero if it is not there
	ticks *time.Timer // draws it anew, each second; nil if it has ended
}

// newProgressLine shows progress on w if it is a terminal that can do so.
func newProgressLine(w io.Writer) *progressLine {
	if !styleOf(w) {
		return nil
	}
	return &progressLine{w: w, begun: time.Now()}
}

// newLateLine is newProgressLine for what often takes less than a second.
func newLateLine(w io.Writer) *progressLine {
	p := newProgressLine(w)
	if p != nil {
		p.after = tick
	}
	return p
}

const (
	// often is how often the line is written, so that drawing it costs nothing.
	often = 100 * time.Millisecond
	// tick is how long the clock stands still, at most.
	tick = time.Second
)

// update is told of a step, and how far it is. A line that has ended begins anew.
func (p *progressLine) update(step string, done, total int64) {
	if p == nil {
		return
	}
	p.Lock()
	defer p.Unlock()
	if step == p.step && time.Since(p.shown) < often {
		return
	}
	p.step, p.text = step, step+amount(done, total)
	if p.ticks == nil {
		p.ticks = time.AfterFunc(tick, p.tick)
	}
	p.draw()
}

// tick draws the line with another time.
func (p *progressLine) tick() {
	p.Lock()
	defer p.Unlock()
	if p.ticks != nil {
		p.draw()
		p.ticks.Reset(tick)
	}
}

// draw writes the line over what was there.
func (p *progressLine) draw() {
	now := time.Now()
	if now.Sub(p.begun) >= p.after {
		p.shown = now
		fmt.Fprintf(p.w, "\r\x1b[K%s  %s", clock(now.Sub(p.begun)), p.text)
	}
}

// end removes the line.
func (p *progressLine) end() {
	if p == nil {
		return
	}
	p.Lock()
	defer p.Unlock()
	if p.ticks != nil {
		p.ticks.Stop()
		p.ticks = nil
	}
	if !p.shown.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = time.Time{}
	}
}

// clock is a time as 1:05.
func clock(d time.Duration) string {
	seconds := int(d.Seconds())
	return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
}

// amount says how far a step is, if that is known.
func amount(done, total int64) string {
	switch {
	case done == 0:
		return ""
	case total == 0:
		return ", " + units.Bytes(done)
	}
	return fmt.Sprintf(", %s of %s, %d %%", units.Bytes(done), units.Bytes(total),
		percent(uint64(min(done, total)), uint64(total)))
}
