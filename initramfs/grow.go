package main

import (
	"os"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// grow makes the pool as large as its disk allows. If it cannot, the next boot tries
// again.
func (b *boot) grow() {
	if err := b.growPool(); err != nil {
		b.warn("the pool is not grown: " + err.Error())
	}
}

func (b *boot) growPool() error {
	if err := device.GrowPartition("/dev/"+b.pool.Disk, b.pool.Number); err != nil {
		return err
	}
	dir, err := os.Open(volatile.PoolDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return btrfs.Grow(dir)
}
