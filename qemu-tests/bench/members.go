package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// membersMost is what ten thousand members may cost.
const membersMost = 50 * time.Millisecond

// membersSection measures the pick among few and among many members.
func membersSection(ctx context.Context, l *lab, w io.Writer) error {
	initramfs, err := l.initramfs(ctx, "freshroot", "")
	if err != nil {
		return err
	}
	t := newTable("golden masters", "pick ms V", "mount ms V", "/init to OS ms V")
	var picks, totals []time.Duration
	for _, n := range []int{2, 10_000} {
		disk, err := l.makeDisk(fmt.Sprintf("members-%d", n), l.factory, 2048, addMembers(n-1))
		if err != nil {
			return err
		}
		progress("%d members are made", n)
		r, err := l.bootCopy(ctx, disk, initramfs, virtual, "volatile=yes")
		if err != nil {
			return err
		}
		pick, err := took(r.Boot.Phases, "pick")
		if err != nil {
			return err
		}
		mount, err := took(r.Boot.Phases, "pool")
		if err != nil {
			return err
		}
		total, err := r.between(runInit, switched)
		if err != nil {
			return err
		}
		picks, totals = append(picks, pick), append(totals, total)
		t.row(fmt.Sprint(n), ms(pick), ms(mount), ms(total))
	}
	cost := picks[1] - picks[0]
	_, err = fmt.Fprintf(w, "## Ten thousand members\n\n%s\n"+
		"The pick costs %s ms more, the whole boot %s ms; the goal is %s ms: %s.\n\n",
		t, ms(cost), ms(totals[1]-totals[0]), ms(membersMost), verdict(cost < membersMost))
	return err
}
