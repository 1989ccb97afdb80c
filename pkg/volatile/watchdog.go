package volatile

import (
	"fmt"
	"strconv"

	"github.com/freshroot/freshroot/pkg/cmdline"
)

// Watchdog arms the hardware's watchdog. What follows has to reset it in time.
type Watchdog struct{ Seconds int }

func (s Watchdog) String() string {
	return fmt.Sprintf("arm the hardware watchdog: %d s to the next sign of life", s.Seconds)
}

// watch arms the watchdog before all else, where it is asked for.
func (p Plan) watch(steps []Step) []Step {
	if p.Options.Watchdog == 0 {
		return steps
	}
	return append([]Step{Watchdog{p.Options.Watchdog}}, steps...)
}

// The seconds that a watchdog can be asked for. With fewer no OS would come up.
const (
	minWatchdog = 5
	maxWatchdog = 3600
)

func readWatchdog(o *Options, p cmdline.Param) ([]string, bool) {
	if off, known := booleans[p.Value]; known && off == No {
		o.Watchdog = 0
		return nil, true
	}
	s, err := strconv.ParseUint(p.Value, 10, 31)
	if err != nil {
		return []string{"seconds, as in freshroot.watchdog=60", "off"}, false
	}
	o.Watchdog = int(min(max(s, minWatchdog), maxWatchdog))
	return nil, true
}
