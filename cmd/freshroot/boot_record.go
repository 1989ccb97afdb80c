package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// bootFile is where the init leaves its record.
const bootFile = "/run/freshroot/boot.json"

// bootRecord is what the init has recorded of this boot; docs/boot.md describes it.
type bootRecord struct {
	Kernel    string             `json:"kernel"`
	Cmdline   string             `json:"cmdline"`
	Mode      volatile.Mode      `json:"mode"`
	Pool      bootPool           `json:"pool"`
	Usr       string             `json:"usr"`
	Version   string             `json:"version"`
	Degraded  bool               `json:"degraded"`
	Tries     *tries             `json:"tries,omitempty"`
	CountedBy string             `json:"counted_by,omitempty"`
	Skipped   []volatile.Skipped `json:"skipped"`
	Instance  string             `json:"instance,omitempty"`
	Warnings  []string           `json:"warnings"`
	Phases    []timed            `json:"phases"`
}

// bootPool is the partition of the pool.
type bootPool struct {
	Device   string `json:"device"`
	Disk     string `json:"disk"`
	PartUUID string `json:"partuuid,omitempty"`
	UUID     string `json:"uuid,omitempty"`
}

// tries is a boot counter.
type tries struct {
	Left uint32 `json:"left"`
	Done uint32 `json:"done"`
}

// timed is something that took time; both are seconds.
type timed struct {
	Name string  `json:"name"`
	At   float64 `json:"at"`
	Took float64 `json:"took"`
}

// errNotBooted says that there is no record.
var errNotBooted = errors.New("freshroot did not boot this machine")

// readBoot reads the record of this boot.
func readBoot() (b bootRecord, err error) {
	text, err := os.ReadFile(bootFile)
	if errors.Is(err, os.ErrNotExist) {
		return b, errNotBooted
	} else if err != nil {
		return b, err
	}
	if err := json.Unmarshal(text, &b); err != nil {
		return b, fmt.Errorf("read %s: %w", bootFile, err)
	}
	return b, nil
}

// ofPool returns the record if this machine runs from a pool, by whatever name it was opened,
// and else an empty one.
func (b bootRecord) ofPool(pool *os.File) (bootRecord, error) {
	uuid, err := btrfs.UUID(pool)
	if err != nil || uuid != b.Pool.UUID {
		return bootRecord{}, err
	}
	return b, nil
}
