package main

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/device"
)

// mountToChange mounts the top level of a pool, which no other run of the tool changes as
// long as it is open.
func mountToChange(device string) (*os.File, error) {
	pool, err := mountWritable(device)
	if err != nil {
		return nil, err
	}
	if err := lockMounted(pool); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// lockMounted locks what was mounted to be changed. Who held the lock until now may have
// made it read-only again.
func lockMounted(pool *os.File) error {
	if err := device.Lock(pool); err != nil {
		return err
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(pool.Fd()), &st); err != nil || st.Flags&unix.ST_RDONLY == 0 {
		return err
	}
	return remount(pool, "rw")
}
