package main

import (
	"os"
	"strings"

	"github.com/freshroot/freshroot/pkg/pool"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// saveLog keeps what this boot has said, up to the failure screen, if a version on trial
// has failed: the version that is booted instead can show it.
func (b *boot) saveLog(screen []string) error {
	if b.plan.CountedBy == "" {
		return nil
	}
	text, err := pool.KernelLog()
	if err != nil {
		return err
	}
	text = append(text, strings.Join(screen, "\n")+"\n"...)
	if readOnly, _ := volatile.PoolMount(b.opts, b.pool.HasLog); readOnly {
		if err := b.remountPool(volatile.Remount{Writable: true}); err != nil {
			return err
		}
	}
	dir, err := os.Open(volatile.PoolDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return pool.SaveLog(dir, b.plan.Usr.Entry, text)
}
