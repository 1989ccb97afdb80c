package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/freshroot/freshroot/qemu-tests/image"
)

// The goals: how much longer a boot may take that throws away so many files, and what
// the counting of a try may add.
const (
	thrownAway = 200_000
	resetMost  = 1.2
	countMost  = 10 * time.Millisecond
)

// stateSection measures what a reset and a counted try add to the boot of an instance
// that is ready.
func stateSection(ctx context.Context, l *lab, w io.Writer) error {
	initramfs, err := l.initramfs(ctx, "freshroot", "")
	if err != nil {
		return err
	}
	count, err := l.measureCount(ctx, initramfs)
	if err != nil {
		return err
	}
	reset, err := l.measureReset(ctx, initramfs)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "## Reset and counting\n\nA reset of /var with %d files:\n\n%s\n"+
		"A try that is counted, with the wait for the disk:\n\n%s\n", thrownAway, reset, count)
	return err
}

// readyPool makes a pool with an instance, and changes it.
func (l *lab) readyPool(
	ctx context.Context, name, initramfs string, change func(top string) error,
) (string, error) {
	disk, err := l.makeDisk(name, l.factory, 2048)
	if err != nil {
		return "", err
	}
	if _, err := l.boot(ctx, disk, initramfs, real1, "volatile=no"); err != nil {
		return "", err
	}
	return disk, image.Mount(disk, 1, false, change)
}

// measureReset compares, in turns, the boot with a reset and the one without.
func (l *lab) measureReset(ctx context.Context, initramfs string) (*table, error) {
	disk, err := l.readyPool(ctx, "reset", initramfs, func(top string) error {
		return manyFiles(filepath.Join(top, instance, "var/many"), thrownAway)
	})
	if err != nil {
		return nil, err
	}
	t := newTable("clock", "from", "boot ms", "with reset ms", "ratio", "goal", "")
	for _, c := range []clock{virtual, real1, real2} {
		var plain, reset bootTimes
		for range l.repeats.of(c) {
			err := errors.Join(
				l.total(ctx, &plain, disk, initramfs, c, ""),
				l.total(ctx, &reset, disk, initramfs, c, " freshroot.reset=var"))
			if err != nil {
				return nil, err
			}
		}
		a, b := median(plain.all), median(reset.all)
		t.row(c.name, "the kernel's start", ms(a), ms(b), ratio(b, a), fmt.Sprint(resetMost),
			verdict(float64(b) <= resetMost*float64(a)))
		a, b = median(plain.ours), median(reset.ours)
		t.row(c.name, "/init", ms(a), ms(b), ratio(b, a), "", "")
	}
	return t, nil
}

// bootTimes are how long it took to the OS: from the start of the kernel, which is a boot
// as people know it, without what follows; and from /init.
type bootTimes struct{ all, ours []time.Duration }

// total boots once, and adds how long it took. A reset that was not done is not worth
// measuring.
func (l *lab) total(
	ctx context.Context, times *bootTimes, disk, initramfs string, c clock, words string,
) error {
	r, err := l.bootCopy(ctx, disk, initramfs, c, "volatile=no"+words)
	if err != nil {
		return err
	}
	if done := r.Boot.Reset != nil && r.Boot.Reset.Done; done != (words != "") {
		return fmt.Errorf("booted with %q, and the reset was done: %v", words, done)
	}
	end, err := r.find(switched) // the kernel's log counts from its start
	if err != nil {
		return err
	}
	took, err := r.between(runInit, switched)
	times.all, times.ours = append(times.all, end.At), append(times.ours, took)
	progress("%s,%s: %s ms, %s from /init", c.name, words, ms(end.At), ms(took))
	return err
}

// manyFiles makes small files, a thousand in a directory.
func manyFiles(dir string, n int) error {
	for i := range n {
		sub := filepath.Join(dir, fmt.Sprint(i/1000))
		if i%1000 == 0 {
			if err := os.MkdirAll(sub, 0o755); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprint(i)), []byte("small\n"), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// measureCount takes what the step of a counted boot takes. Of the boot as a whole it
// would be lost in the noise of the modules.
func (l *lab) measureCount(ctx context.Context, initramfs string) (*table, error) {
	disk, err := l.readyPool(ctx, "count", initramfs, func(top string) error {
		return os.Rename(filepath.Join(top, master), filepath.Join(top, master+"+3"))
	})
	if err != nil {
		return nil, err
	}
	t := newTable("clock", "count ms", "goal", "")
	var times []time.Duration
	for range 3 * l.repeats.of(virtual) {
		r, err := l.bootCopy(ctx, disk, initramfs, virtual, "volatile=no")
		if err != nil {
			return nil, err
		}
		spent, err := took(r.Boot.Steps, "count ")
		if err != nil {
			return nil, err
		}
		progress("%s, counting: %s ms", virtual.name, ms(spent))
		times = append(times, spent)
	}
	m := median(times)
	t.row(virtual.name, ms(m), ms(countMost), verdict(m <= countMost))
	return t, nil
}
