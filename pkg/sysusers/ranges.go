package sysusers

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The ids that are given out when neither the configuration nor login.defs says it: what
// systemd is built with unless a distribution wants something else. Debian does not.
const (
	systemMin = 1
	systemMax = 999
)

// maxDefs is the longest line of login.defs.
const maxDefs = 2048

var errNoneFree = errors.New("no id is free")

// span is a range of ids, both ends included.
type span struct{ first, last uint32 }

// ranges are sorted and apart.
type ranges []span

// parse adds FIRST-LAST or a single id.
func (r *ranges) parse(s string) error {
	low, high, two := strings.Cut(s, "-")
	first, err := parseID(low)
	last := first
	if err == nil && two {
		last, err = parseID(high)
	}
	if err != nil || last < first {
		return fmt.Errorf("%q is no valid range of ids", s)
	}
	r.add(span{first, last})
	return nil
}

// add also joins what touches, so that a walk down never meets an id twice.
func (r *ranges) add(s span) {
	// Few lines name ranges, so sorting them each time costs nothing.
	all := append(*r, s)
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	joined := all[:1]
	for _, next := range all[1:] {
		before := &joined[len(joined)-1]
		if uint64(next.first) <= uint64(before.last)+1 {
			before.last = max(before.last, next.last)
		} else {
			joined = append(joined, next)
		}
	}
	*r = joined
}

// contains says whether an id lies in one of the ranges.
func (r ranges) contains(id uint32) bool {
	return slices.ContainsFunc(r, func(s span) bool {
		return s.first <= id && id <= s.last
	})
}

// below returns the largest id of the ranges that is smaller than another one.
func (r ranges) below(id uint32) (uint32, error) {
	for _, s := range slices.Backward(r) {
		if s.first < id {
			return min(id-1, s.last), nil
		}
	}
	return 0, errNoneFree
}

// loginDefs are the limits that login.defs(5) sets.
type loginDefs struct{ minUID, maxUID, minGID, maxGID uint32 }

// builtin are the limits where login.defs says nothing.
var builtin = loginDefs{systemMin, systemMax, systemMin, systemMax}

// parseLoginDefs reads the limits of login.defs. Values that are none are ignored.
func parseLoginDefs(text []byte) (loginDefs, error) {
	d := builtin
	lines := lineReader{r: bufio.NewReader(bytes.NewReader(text))}
	for {
		line, err := lines.next()
		if err != nil {
			break // the end: a line cannot be longer than what was checked
		}
		if len(line) >= maxDefs {
			return d, fmt.Errorf("line longer than %d bytes", maxDefs)
		}
		d.set(line)
	}
	// A lower end above the upper one is a mistake; the upper one is kept.
	if d.minUID > d.maxUID {
		d.minUID = min(d.maxUID-1, systemMin)
	}
	return d, nil
}

// set takes a line, which is a name and a value.
func (d *loginDefs) set(line string) {
	end := strings.IndexAny(line, blank)
	if end < 0 {
		return
	}
	// A comment after the value makes it none, as it does for systemd.
	id, err := parseID(strings.TrimLeft(line[end:], blank))
	if err != nil {
		return
	}
	id = max(id, 1) // 0 is root, and never given out
	switch line[:end] {
	case "SYS_UID_MIN":
		d.minUID = id
	case "SYS_UID_MAX":
		d.maxUID = id
	case "SYS_GID_MIN":
		d.minGID = id
	case "SYS_GID_MAX":
		d.maxGID = id
	}
}

// ranges are what is given out under these limits. Both files have to hold the id, and
// it has to be one of the system when login.defs is gone, too.
func (d loginDefs) ranges() ranges {
	if last := min(systemMax, d.maxUID, d.maxGID); d.minUID < last {
		return ranges{{d.minUID, last}}
	}
	return nil
}
