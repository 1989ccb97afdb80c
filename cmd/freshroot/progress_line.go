package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/freshroot/freshroot/pkg/units"
)

// progressLine shows on a terminal what is being done, in one line that is written over, and
// nothing anywhere else.
type progressLine struct {
	w     io.Writer
	begun time.Time
	shown time.Time // when the line was last written

	sync.Mutex
	step string
}

// newProgressLine shows progress on w if it is a terminal that can do so.
func newProgressLine(w io.Writer) *progressLine {
	if !styleOf(w) {
		return nil
	}
	return &progressLine{w: w, begun: time.Now()}
}

// often is how often the line is written, so that drawing it costs nothing.
const often = 100 * time.Millisecond

// update is told of a step, and how far it is.
func (p *progressLine) update(step string, done, total int64) {
	if p == nil {
		return
	}
	p.Lock()
	defer p.Unlock()
	now := time.Now()
	if step == p.step && now.Sub(p.shown) < often {
		return
	}
	p.step, p.shown = step, now
	fmt.Fprintf(p.w, "\r\x1b[K%s  %s", clock(now.Sub(p.begun)), step+amount(done, total))
}

// end removes the line.
func (p *progressLine) end() {
	if p == nil {
		return
	}
	p.Lock()
	defer p.Unlock()
	fmt.Fprint(p.w, "\r\x1b[K")
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
