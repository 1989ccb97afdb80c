package volatile

import (
	"strconv"

	"github.com/freshroot/freshroot/pkg/cmdline"
)

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
