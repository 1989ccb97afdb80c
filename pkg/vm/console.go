package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
)

// The causes for which waiting ends early. Expect and Wait wrap them.
var (
	// ErrPanic means that the guest's kernel panicked.
	ErrPanic = errors.New("guest kernel panicked")
	// ErrExited means that QEMU ended before the guest said what was awaited.
	ErrExited = errors.New("virtual machine has ended")
)

// outputLimit bounds what is kept of a console: a guest that prints in a loop
// must not take the host's memory.
const outputLimit = 16 << 20

// panicMark is how the kernel begins the line that says why it panicked.
const panicMark = "Kernel panic - not syncing"

// console collects a guest's output and wakes those who wait for a line of it.
// Offsets count from the first byte of output, kept or dropped.
type console struct {
	tee   io.Writer
	limit int

	mu      sync.Mutex
	buf     []byte        // the newest output
	start   int           // the offset of buf[0]
	line    int           // the offset of the unfinished last line
	next    int           // where the next expect begins: behind the last match
	panic   string        // the line that announced a panic
	closed  bool          // no more output will come
	changed chan struct{} // closed, and replaced, whenever any of these change
}

func newConsole(tee io.Writer, limit int) *console {
	return &console{tee: tee, limit: limit, changed: make(chan struct{})}
}

// Write takes output of the guest. It drops carriage returns, so that patterns
// need not care for the terminal's line ends.
func (c *console) Write(p []byte) (int, error) {
	if c.tee != nil {
		// A reader that went away must not stop the guest.
		_, _ = c.tee.Write(p)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf = append(c.buf, bytes.ReplaceAll(p, []byte("\r"), nil)...)
	c.scanLines()
	c.trim()
	c.wake()
	return len(p), nil
}

// scanLines looks for a panic in the lines that were completed.
func (c *console) scanLines() {
	for {
		rest := c.buf[c.line-c.start:]
		n := bytes.IndexByte(rest, '\n')
		if n < 0 {
			return
		}
		if i := bytes.Index(rest[:n], []byte(panicMark)); i >= 0 && c.panic == "" {
			c.panic = string(rest[i:n])
		}
		c.line += n + 1
	}
}

// trim drops the older half when there is too much.
func (c *console) trim() {
	if len(c.buf) <= c.limit {
		return
	}
	drop := len(c.buf) - c.limit/2
	c.buf = append([]byte(nil), c.buf[drop:]...)
	c.start += drop
	c.line = max(c.line, c.start)
	c.next = max(c.next, c.start)
}

func (c *console) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *console) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.wake()
}

// expect returns the first match of re behind the previous one. It reads line by
// line, the unfinished last line included.
func (c *console) expect(ctx context.Context, re *regexp.Regexp) ([]string, error) {
	from := 0
	for {
		match, changed, err := c.search(re, &from)
		if match != nil || err != nil {
			return match, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// search looks once, from the offset from on, which it moves behind the complete
// lines seen. What was printed before a panic or the end still counts.
func (c *console) search(re *regexp.Regexp, from *int) (
	match []string, changed <-chan struct{}, err error,
) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := max(*from, c.next); at-c.start < len(c.buf); at = *from {
		line := firstLine(c.buf[at-c.start:])
		if m := re.FindSubmatchIndex(line); m != nil {
			c.next = at + m[1]
			return submatches(line, m), nil, nil
		}
		if at+len(line) > c.line {
			break // unfinished: to be read again when there is more
		}
		*from = at + len(line)
	}
	switch {
	case c.panic != "":
		return nil, nil, fmt.Errorf("%w: %s", ErrPanic, c.panic)
	case c.closed:
		return nil, nil, ErrExited
	}
	return nil, c.changed, nil
}

// firstLine returns b up to and with its first newline.
func firstLine(b []byte) []byte {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i+1]
	}
	return b
}

// submatches copies the groups of a match; those that took no part are "".
func submatches(line []byte, index []int) []string {
	groups := make([]string, len(index)/2)
	for i := range groups {
		if index[2*i] >= 0 {
			groups[i] = string(line[index[2*i]:index[2*i+1]])
		}
	}
	return groups
}

// panicked returns the line that announced a panic, or "", and a channel that
// tells of news.
func (c *console) panicked() (string, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.panic, c.changed
}

// output returns all that is kept.
func (c *console) output() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.buf)
}

// tail returns the last n lines.
func (c *console) tail(n int) string {
	lines := strings.SplitAfter(c.output(), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}
