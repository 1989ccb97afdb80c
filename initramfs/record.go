package main

import (
	"os"
	"time"

	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// recordFile tells the OS how it was booted; docs/boot.md describes it.
const recordFile = "/run/freshroot/boot.json"

// record is what happened on the way, for boot.json.
type record struct {
	instance instance.Result
	kept     []string // paths bound from the instance
	reset    []field  // what was reset or brought back, or nil
	warnings []string
	phases   []timed
	steps    []timed
}

// timed is something that was done.
type timed struct {
	name     string
	at, took time.Duration // since the kernel started, and how long
}

// start begins a phase; the function that it returns ends it.
func (r *record) start(name string) (done func()) {
	return timer(name, &r.phases)
}

func timer(name string, list *[]timed) func() {
	begin := now()
	return func() {
		*list = append(*list, timed{name, begin, now() - begin})
	}
}

// writeRecord stores what was decided, why, and how long it took.
func (b *boot) writeRecord(init string) error {
	if err := os.MkdirAll("/run/freshroot", 0o755); err != nil {
		return err
	}
	text := appendJSON(nil, b.describe(init), "")
	return os.WriteFile(recordFile, append(text, '\n'), 0o644)
}

func (b *boot) describe(init string) []field {
	usr := b.plan.Usr
	return compact([]field{
		{"format", 1},
		{"kernel", b.kernel},
		{"cmdline", b.cmdline},
		{"mode", string(b.opts.Mode)},
		{"pool", describePool(b.pool)},
		{"usr", usr.Entry},
		{"vendor", usr.Member.Vendor},
		{"version", usr.Member.Version},
		{"degraded", usr.Degraded},
		{"tries", describeTries(usr.Member.Tries)},
		{"counted_by", b.plan.CountedBy},
		{"skipped", describeSkipped(usr.Skipped)},
		{"instance", b.plan.Instance},
		{"made", b.record.instance.Made},
		{"change", string(b.record.instance.Change)},
		{"from", b.record.instance.From},
		{"conflicts", b.record.instance.Conflicts},
		{"kept", b.record.kept},
		{"reset", b.record.describeReset()},
		{"init", init},
		{"warnings", b.record.warnings},
		{"modules", describeTimes(b.modules.loaded())},
		{"phases", describeTimes(b.record.phases)},
		{"steps", describeTimes(b.record.steps)},
	})
}

// describeReset is nothing, where nothing was to be reset.
func (r *record) describeReset() any {
	if r.reset == nil {
		return nil
	}
	return compact(r.reset)
}

func describePool(p volatile.Partition) []field {
	return compact([]field{
		{"device", p.Device},
		{"disk", p.Disk},
		{"partuuid", p.PartUUID},
		{"partlabel", p.Label},
		{"uuid", p.UUID},
		{"label", p.FSLabel},
	})
}

// maxSkipped bounds what a pool with thousands of bad members adds to the record.
const maxSkipped = 100

func describeSkipped(skipped []volatile.Skipped) [][]field {
	list := make([][]field, 0, len(skipped))
	for _, s := range skipped[:min(len(skipped), maxSkipped)] {
		list = append(list, []field{{"entry", s.Entry}, {"reason", s.Reason}})
	}
	return list
}

// describeTimes gives times in seconds.
func describeTimes(times []timed) [][]field {
	list := make([][]field, 0, len(times))
	for _, t := range times {
		list = append(list, []field{{"name", t.name}, {"at", seconds(t.at)}, {"took", seconds(t.took)}})
	}
	return list
}

func seconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e6 }
