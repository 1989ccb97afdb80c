package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/pool"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// loaderCounts asks the firmware whether the boot loader counts tries.
func (b *boot) loaderCounts() (counts bool) {
	err := b.askFirmware(func() error {
		counts = device.LoaderCounts(efivars)
		return nil
	})
	if err != nil {
		b.warn(err.Error())
	}
	return counts
}

// writeFirst does the steps that show whether the pool can be written to, up to the
// one that counts, and takes them off the plan. A pool that cannot be written to must
// not keep the machine down: then the plan is made anew, without what it can do without.
func (b *boot) writeFirst() error {
	n := len(b.plan.Steps)
	for n > 0 && !needsWriting(b.plan.Steps[n-1]) {
		n--
	}
	err := b.doAll(b.plan.Steps[:n])
	if err == nil {
		b.plan.Steps = b.plan.Steps[n:]
		return nil
	}
	var f *volatile.Failure
	if errors.As(err, &f) && (f.Problem == volatile.Hang || f.Problem == volatile.Panic) {
		return err
	}
	b.warn("the pool cannot be written to: " + err.Error())
	b.unwritable = true
	return b.phase("pick", b.pick)
}

// needsWriting says whether a step is one of those that come before all others because
// they need a pool that can be written to.
func needsWriting(s volatile.Step) bool {
	remount, is := s.(volatile.Remount)
	_, counts := s.(volatile.Count)
	return counts || is && remount.Writable
}

// count takes a try from the golden master. From then on it has another name.
func (b *boot) count(s volatile.Count) error {
	dir, err := os.Open(volatile.PoolDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := pool.Rename(dir, s.From, s.To); err != nil {
		return err
	}
	m, err := subvol.Parse(s.To)
	if err != nil {
		return err
	}
	b.plan.Usr.Entry, b.plan.Usr.Member = s.To, m
	b.log.info(fmt.Sprintf("%s is not blessed yet; tries left after this one: %d",
		m.Version, m.Tries.Left))
	b.counted = true
	b.decidePanic()
	return nil
}

// panicDelay is how many seconds a panic of the kernel stays on the screen.
const panicDelay = 10

// decidePanic tells the kernel whether to reboot when it panics, by what is known so far.
func (b *boot) decidePanic() {
	seconds, decided := b.onPanic()
	if !decided {
		return
	}
	err := os.WriteFile("/proc/sys/kernel/panic", []byte(strconv.Itoa(seconds)), 0)
	if err != nil {
		b.warn(err.Error())
	}
}

// onPanic decides after how many seconds the kernel shall reboot when it panics, 0 for not
// at all. Where a try was counted, the next one, or the version before, may boot; the
// command line may say otherwise. Where reboots would have no end, it may not.
func (b *boot) onPanic() (seconds int, decided bool) {
	if b.plan.Endless() {
		return 0, true
	}
	_, set := b.params.Last("panic")
	return panicDelay, b.counted && !set
}

// describeTries tells of a counter, nil if there is none.
func describeTries(t subvol.Tries) any {
	if !t.Counted {
		return nil
	}
	return []field{{"left", int(t.Left)}, {"done", int(t.Done)}}
}
