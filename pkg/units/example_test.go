package units_test

import (
	"fmt"

	"github.com/freshroot/freshroot/pkg/units"
)

func ExampleBytes() {
	fmt.Println(units.Bytes(int64(512)), units.Bytes(int64(3<<20)), units.Bytes(uint64(3<<29)))
	// Output: 512 bytes 3.0 MiB 1.5 GiB
}
