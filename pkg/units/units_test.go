package units_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/units"
)

func TestBytes(t *testing.T) {
	for bytes, want := range map[int64]string{
		math.MinInt64: "-9223372036854775808 bytes", -1: "-1 bytes", 0: "0 bytes", 1023: "1023 bytes",
		1024: "1.0 KiB", 1536: "1.5 KiB", 10<<10 - 1: "9.9 KiB", 10 << 10: "10 KiB",
		1<<20 - 1: "1023 KiB", 1 << 20: "1.0 MiB", 12 << 20: "12 MiB",
		1<<30 - 1: "1023 MiB", 32 << 30: "32 GiB", math.MaxInt64: "7.9 EiB",
	} {
		if diff := cmp.Diff(want, units.Bytes(bytes)); diff != "" {
			t.Errorf("%d (-want +got):\n%s", bytes, diff)
		}
	}
	if diff := cmp.Diff("15 EiB", units.Bytes(uint64(math.MaxUint64))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
