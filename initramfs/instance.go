package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/freshroot/freshroot/pkg/facts"
	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/keep"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// instantiate makes the instance, or brings it to the version that is booted. One
// that cannot be brought along is as whole as it was, and the boot goes on with it.
func (b *boot) instantiate(s volatile.Instantiate) error {
	dir, err := os.Open(volatile.PoolDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	golden, err := rootfs.OpenDir(dir, b.plan.Usr.Entry)
	if err != nil {
		return err
	}
	defer golden.Close()
	target := instance.Target{
		Pool: dir, Name: s.Name, Usr: b.plan.Usr.Member, Golden: golden,
		Kept: b.survivesUpdate(dir, s.Name),
	}
	result, err := target.Ensure()
	b.tell(result)
	var late *instance.UpdateError
	if errors.As(err, &late) {
		for text := range strings.SplitSeq(err.Error(), "\n") {
			b.warn(text)
		}
		return nil
	}
	return err
}

// survivesUpdate reads the keep list only if there is something to be spared: most
// boots have no update.
func (b *boot) survivesUpdate(dir *os.File, instance string) func(path string) bool {
	var rules keep.Rules
	return func(path string) bool {
		if rules == nil {
			var problems []error
			rules, problems = facts.Keep(dir, b.plan.Usr.Entry, instance)
			b.warnAll("keep list", problems)
		}
		survives, _ := rules.Survives(path, keep.Update)
		return survives
	}
}

// tell says and records what became of the instance.
func (b *boot) tell(r instance.Result) {
	b.record.instance = r
	if len(r.Made) > 0 {
		b.log.info("made " + strings.Join(r.Made, ", ") + " from the factory")
	}
	switch r.Change {
	case instance.Merged:
		b.log.info("merged /etc of " + r.From + " with the factory of this version")
	case instance.Restored:
		b.log.info("brought back the /etc that this version had; that of " + r.From + " is kept aside")
	}
	if len(r.Conflicts) > 0 {
		b.warn(fmt.Sprintf("%d files of /etc were changed here and by the vendor, whose are put beside: %s",
			len(r.Conflicts), strings.Join(volatile.Clip(r.Conflicts), " ")))
	}
}
