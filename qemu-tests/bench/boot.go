package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// mode is a way to boot that both freshroot and the floor know.
type mode struct {
	name, words string
	define      string        // what makes a floor of it
	most        time.Duration // V that freshroot may take longer than the floor
}

var modes = []mode{
	{"ready instance", "volatile=no", `INSTANCE="` + instance + `"`, 15 * time.Millisecond},
	{"stateless", "volatile=yes", "STATELESS", 20 * time.Millisecond},
}

// realMost is how much longer freshroot may take than the floor in real time.
const realMost = 1.15

// samples are the times of one init, in one mode, by one clock.
type samples struct {
	total, bare []time.Duration // with the modules, and without
	parts       []parts
}

// part returns the median of one part.
func (s samples) part(i int) time.Duration {
	var times []time.Duration
	for _, p := range s.parts {
		times = append(times, p[i])
	}
	return median(times)
}

// rivals are freshroot and the floor in one mode.
type rivals struct {
	mode
	disk, fresh, floor string // images
}

// bootSection compares freshroot with the floor.
func bootSection(ctx context.Context, l *lab, w io.Writer) error {
	all, err := l.prepareRivals(ctx)
	if err != nil {
		return err
	}
	totals := newTable("clock", "mode", "modules", "freshroot ms", "floor ms",
		"difference", "ratio", "goal", "")
	profile := newTable("mode", "part", "freshroot ms", "floor ms", "difference")
	for _, c := range []clock{virtual, real1, real2} {
		for _, r := range all {
			fresh, floor, err := l.compare(ctx, c, r)
			if err != nil {
				return err
			}
			addTotals(totals, c, r, fresh, floor)
			if c.icount {
				addParts(profile, r, fresh, floor)
			}
		}
	}
	_, err = fmt.Fprintf(w, "## From /init to the OS, against a static C init\n\n"+
		"%s\nWhere it goes, in V, without the modules:\n\n%s\n", totals, profile)
	return err
}

// prepareRivals builds the images. The first boot makes the instance that the later
// ones find ready.
func (l *lab) prepareRivals(ctx context.Context) ([]rivals, error) {
	disk, err := l.makeDisk("pool", l.factory, 256)
	if err != nil {
		return nil, err
	}
	fresh, err := l.initramfs(ctx, "freshroot", "")
	if err != nil {
		return nil, err
	}
	if _, err := l.boot(ctx, disk, fresh, real1, "volatile=no"); err != nil {
		return nil, err
	}
	var all []rivals
	for _, m := range modes {
		floor, err := l.makeFloor(ctx, disk, fresh, m)
		if err != nil {
			return nil, err
		}
		all = append(all, rivals{m, disk, fresh, floor})
	}
	return all, nil
}

// makeFloor compiles a floor that does what freshroot was seen to do.
func (l *lab) makeFloor(ctx context.Context, disk, fresh string, m mode) (string, error) {
	r, err := l.bootCopy(ctx, disk, fresh, virtual, m.words)
	if err != nil {
		return "", err
	}
	var modules []string
	for _, s := range r.Boot.Modules {
		modules = append(modules, fmt.Sprintf("%q", "/modules/"+s.Name+".ko"))
	}
	program := l.path("floor-" + m.words)
	err = compile(ctx, program, floorSource, m.define,
		`DEVICE="/dev/vda1"`, `USR="`+master+`"`, "MODULES="+strings.Join(modules, ","))
	if err != nil {
		return "", err
	}
	return l.initramfs(ctx, "floor-"+m.words, program)
}

// compare measures both, in turns.
func (l *lab) compare(ctx context.Context, c clock, r rivals) (fresh, floor samples, err error) {
	for range l.repeats.of(c) {
		err := errors.Join(
			l.sample(ctx, &fresh, r.fresh, c, r),
			l.sample(ctx, &floor, r.floor, c, r))
		if err != nil {
			return fresh, floor, err
		}
	}
	return fresh, floor, nil
}

// addTotals adds two rows: with the modules, and without.
func addTotals(t *table, c clock, r rivals, fresh, floor samples) {
	addRow := func(modules string, a, b time.Duration, goal, verdict string) {
		t.row(c.name, r.name, modules, ms(a), ms(b), signedMS(a-b), ratio(a, b), goal, verdict)
	}
	total, floorTotal := median(fresh.total), median(floor.total)
	bare, floorBare := median(fresh.bare), median(floor.bare)
	if c.icount {
		addRow("with", total, floorTotal, "", "")
		addRow("without", bare, floorBare, "+"+ms(r.most), verdict(bare-floorBare <= r.most))
	} else {
		met := float64(total) <= realMost*float64(floorTotal)
		addRow("with", total, floorTotal, fmt.Sprint(realMost), verdict(met))
		addRow("without", bare, floorBare, "", "")
	}
}

// addParts adds a row for each part of a boot.
func addParts(t *table, r rivals, fresh, floor samples) {
	for i, name := range partNames {
		a, b := fresh.part(i), floor.part(i)
		t.row(r.name, name, ms(a), ms(b), signedMS(a-b))
	}
}

// sample boots once.
func (l *lab) sample(ctx context.Context, s *samples, initramfs string, c clock, r rivals) error {
	report, err := l.bootCopy(ctx, r.disk, initramfs, c, r.words)
	if err != nil {
		return err
	}
	total, err := report.between(runInit, switched)
	if err != nil {
		return err
	}
	modules, err := report.moduleTime()
	if err != nil {
		return err
	}
	split, err := report.parts()
	if err != nil {
		return err
	}
	s.parts = append(s.parts, split)
	s.total = append(s.total, total)
	s.bare = append(s.bare, total-modules)
	progress("%s, %s, %s: %s ms, %s of it modules",
		c.name, r.name, shortName(initramfs), ms(total), ms(modules))
	return nil
}
