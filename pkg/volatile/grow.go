package volatile

import (
	"fmt"

	"github.com/freshroot/freshroot/pkg/units"
)

// Grow makes the partition of the pool and its file system as large as the disk allows.
// What fails is told, and does not end the boot: the pool is good as it is.
type Grow struct {
	Device string
	Room   int64 // bytes to be gained
}

// String says how much is gained, in binary units.
func (s Grow) String() string {
	return fmt.Sprintf("grow %s and its file system by %s", s.Device, units.Bytes(s.Room))
}

// growFirst grows the pool before anything is written to it, for an image may be full.
// A mode that promises not to write keeps to that.
func (p Plan) growFirst(f Facts, steps []Step) []Step {
	writes := p.Options.Mode == No || p.Options.Mode == State
	if !p.Pool.GrowFS || p.Pool.Room == 0 || !writes || f.Unwritable {
		return steps
	}
	return append([]Step{Grow{p.Pool.Device, p.Pool.Room}}, steps...)
}
