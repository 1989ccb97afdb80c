package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report is what the init of the booted OS (mark/mark.c) tells of the way there.
type report struct {
	MaxRSS int // KiB, the peak of PID 1 before it became that init
	Log    []logRecord
	Boot   bootRecord // of freshroot; zero for the others
}

// logRecord is a message in the kernel's log.
type logRecord struct {
	At   time.Duration
	Text string
}

// bootRecord is the part of boot.json that tells times, and what was done in them.
type bootRecord struct {
	Modules, Phases, Steps []span
	Reset                  *struct{ Done bool }
}

// span is something that took time, in seconds since the kernel started.
type span struct {
	Name     string
	At, Took float64
}

// The messages between which a boot is measured.
const (
	unpackBegin = "Trying to unpack rootfs image as initramfs"
	unpackEnd   = "Freeing initrd memory"
	runInit     = "Run /init as init process"
	switched    = "bench: switched"
)

// parseReport finds the report on a console.
func parseReport(console string) (*report, error) {
	r := &report{}
	var record strings.Builder
	for line := range strings.Lines(console) {
		kind, text, ok := cutBench(line)
		switch {
		case !ok:
		case kind == "end":
			return r, r.finish(record.String())
		case kind == "json":
			record.WriteString(text)
		default:
			if err := r.take(kind, text); err != nil {
				return nil, fmt.Errorf("parse report %q: %w", line, err)
			}
		}
	}
	return nil, errors.New("parse report: the booted OS printed none, or half of it")
}

// cutBench takes a line such as "BENCH maxrss 1234" apart.
func cutBench(line string) (kind, text string, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), "BENCH ")
	kind, text, _ = strings.Cut(rest, " ")
	return kind, text, ok
}

func (r *report) take(kind, text string) (err error) {
	switch kind {
	case "maxrss":
		r.MaxRSS, err = strconv.Atoi(text)
	case "log":
		var record logRecord
		record, err = parseLog(text)
		r.Log = append(r.Log, record)
	default:
		err = errors.New("unknown kind")
	}
	return err
}

// parseLog reads a record as /dev/kmsg gives it: "6,339,5140900,-;text".
func parseLog(s string) (logRecord, error) {
	head, text, _ := strings.Cut(s, ";")
	fields := strings.Split(head, ",")
	if len(fields) < 4 {
		return logRecord{}, errors.New("no record of the kernel's log")
	}
	us, err := strconv.ParseInt(fields[2], 10, 64)
	return logRecord{time.Duration(us) * time.Microsecond, text}, err
}

func (r *report) finish(record string) error {
	if record == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(record), &r.Boot); err != nil {
		return fmt.Errorf("parse report: boot.json: %w", err)
	}
	return nil
}

// find returns the first message that starts with text.
func (r *report) find(text string) (logRecord, error) {
	i := slices.IndexFunc(r.Log, func(l logRecord) bool {
		return strings.HasPrefix(l.Text, text)
	})
	if i < 0 {
		return logRecord{}, fmt.Errorf("the kernel's log lacks %q", text)
	}
	return r.Log[i], nil
}

// between returns the time from one message to another.
func (r *report) between(from, to string) (time.Duration, error) {
	a, err := r.find(from)
	b, err2 := r.find(to)
	return b.At - a.At, cmp.Or(err, err2)
}

// moduleTime returns how long modules were being loaded.
func (r *report) moduleTime() (time.Duration, error) {
	if r.Boot.Modules != nil {
		return covered(r.Boot.Modules), nil
	}
	const mark = "floor: modules "
	l, err := r.find(mark)
	if err != nil {
		return 0, err
	}
	us, err := strconv.ParseInt(strings.TrimPrefix(l.Text, mark), 10, 64)
	return time.Duration(us) * time.Microsecond, err
}

// covered returns the time in which at least one of the spans was under way: some
// modules are loaded side by side, and would be counted twice by a sum.
func covered(spans []span) time.Duration {
	sorted := slices.SortedFunc(slices.Values(spans), func(a, b span) int {
		return cmp.Compare(a.At, b.At)
	})
	var total, end float64
	for _, s := range sorted {
		if last := s.At + s.Took; last > end {
			total += last - max(s.At, end)
			end = last
		}
	}
	return seconds(total)
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Microsecond)
}

// took returns how long the first span took whose name starts with name.
func took(spans []span, name string) (time.Duration, error) {
	for _, s := range spans {
		if strings.HasPrefix(s.Name, name) {
			return seconds(s.Took), nil
		}
	}
	return 0, fmt.Errorf("boot.json has no times of %q", name)
}
