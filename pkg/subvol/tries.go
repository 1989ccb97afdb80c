package subvol

import (
	"fmt"
	"strconv"
	"strings"
)

// Tries is the boot counter behind a version, as in systemd's automatic boot
// assessment: "+LEFT-DONE", or "+LEFT" when it was not tried yet. The zero value
// means that the version is not counted, because it booted well before.
type Tries struct {
	Counted bool
	Left    uint32
	Done    uint32
}

// Bad says that all tries are spent and the version never booted well.
func (t Tries) Bad() bool { return t.Counted && t.Left == 0 }

// String returns the suffix of a name: "+3", "+2-1", or nothing.
func (t Tries) String() string {
	switch {
	case !t.Counted:
		return ""
	case t.Done == 0:
		return fmt.Sprintf("+%d", t.Left)
	}
	return fmt.Sprintf("+%d-%d", t.Left, t.Done)
}

// SplitTries takes the counter off a version, or off another name that is counted in
// the same way. A '+' that is not followed by numbers belongs to the version; numbers
// that are too large are an error, lest a spoilt counter turns into a version nobody
// can retire.
func SplitTries(s string) (version string, t Tries, err error) {
	plus := strings.LastIndexByte(s, '+')
	if plus < 0 {
		return s, Tries{}, nil
	}
	left, done, hasDone := strings.Cut(s[plus+1:], "-")
	if !isNumber(left) || hasDone && !isNumber(done) {
		return s, Tries{}, nil
	}
	t.Counted = true
	if t.Left, err = parseCount(left); err != nil {
		return "", Tries{}, err
	}
	if hasDone {
		t.Done, err = parseCount(done)
	}
	return s[:plus], t, err
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func parseCount(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("boot counter %q is out of range", s)
	}
	return uint32(n), nil
}

// maxCount is the largest number that a name may have in its counter.
const maxCount = 1<<31 - 1

// Next returns the counter with one more try made. One that is spent stays as it is.
func (t Tries) Next() Tries {
	if !t.Counted || t.Left == 0 {
		return t
	}
	return Tries{Counted: true, Left: t.Left - 1, Done: min(t.Done+1, maxCount)}
}

// Back returns the counter with the last try taken back.
func (t Tries) Back() Tries {
	if !t.Counted || t.Done == 0 {
		return t
	}
	return Tries{Counted: true, Left: min(t.Left+1, maxCount), Done: t.Done - 1}
}

// Spent returns the counter with no try left.
func (t Tries) Spent() Tries { return Tries{Counted: true, Done: t.Done} }

// Failed returns the counter with no try left and one more made.
func (t Tries) Failed() Tries {
	return Tries{Counted: true, Done: min(t.Done+1, maxCount)}
}

// Recount returns the name of a golden master with another counter. The rest stays as
// it is spelled. It refuses a name that would then say something else: without its
// counter, "1+2+3" would be version 1 with two tries.
func Recount(name string, t Tries) (string, error) {
	m, err := Parse(name)
	if err != nil {
		return "", err
	}
	now := name
	if m.Tries.Counted {
		now = name[:strings.LastIndexByte(name, '+')]
	}
	now += t.String()
	m.Tries = t
	if again, err := Parse(now); m.Kind != Usr || err != nil || again != m {
		return "", fmt.Errorf("give %q the counter %q: the name would not say so", name, t)
	}
	return now, nil
}
