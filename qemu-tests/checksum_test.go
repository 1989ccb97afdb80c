package qemutests_test

import (
	"testing"

	"github.com/freshroot/freshroot/qemu-tests/guest"
)

// TestIntegrationChecksums boots pools whose btrfs needs a checksum that is a module of
// its own, which is loaded only then.
func TestIntegrationChecksums(t *testing.T) {
	for _, sum := range []string{"xxhash", "blake2"} {
		t.Run(sum, func(t *testing.T) {
			t.Parallel()
			spec := pool(guest.Pool(master(t, "1.0", nil)))
			spec.Partitions[0].Checksum = sum
			m := newMachine(t, disk(t, spec))
			if r := m.boot("volatile=no"); r.boot.Usr != usr+"1.0" {
				t.Errorf("booted %q", r.boot.Usr)
			}
		})
	}
}
