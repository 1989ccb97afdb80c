package volatile

import (
	"fmt"
	"strconv"

	"github.com/freshroot/freshroot/pkg/cmdline"
)

// Watchdog arms the hardware's watchdog. What follows has to reset it in time.
type Watchdog struct{ Seconds int }

// String says how long the rest of the boot has between two signs of life.
func (s Watchdog) String() string {
	return fmt.Sprintf("arm the hardware watchdog: %d s to the next sign of life", s.Seconds)
}

// watch arms the watchdog before all else, where it is asked for.
func (p *Plan) watch(steps []Step) []Step {
	switch {
	case p.Options.Watchdog == 0:
		return steps
	case p.Endless():
		p.Warnings = append(p.Warnings,
			"the watchdog is not armed: with nothing better to boot, it would reset the machine forever")
		return steps
	}
	return append([]Step{Watchdog{p.Options.Watchdog}}, steps...)
}

// The seconds that a watchdog, or a step, can be given. With fewer no OS would come up.
const (
	minWatchdog = 5
	maxWatchdog = 3600
)

func readWatchdog(o *Options, p cmdline.Param) ([]string, bool) {
	return readSeconds(&o.Watchdog, p, prefix+"watchdog=60")
}

func readDeadline(o *Options, p cmdline.Param) ([]string, bool) {
	return readSeconds(&o.Deadline, p, prefix+"deadline=300")
}

// readSeconds reads seconds, or that there are to be none.
func readSeconds(field *int, p cmdline.Param, example string) ([]string, bool) {
	if off, known := booleans[p.Value]; known && off == No {
		*field = 0
		return nil, true
	}
	s, err := strconv.ParseUint(p.Value, 10, 31)
	if err != nil {
		return []string{"seconds, as in " + example, "off"}, false
	}
	*field = int(min(max(s, minWatchdog), maxWatchdog))
	return nil, true
}
