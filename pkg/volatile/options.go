package volatile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshroot/freshroot/pkg/cmdline"
	"github.com/freshroot/freshroot/pkg/reset"
)

// Mode says what of the root outlives the boot, as volatile= asks for.
type Mode string

// The modes; kernel-command-line(7) of systemd has the same.
const (
	No      Mode = "no"      // everything
	State   Mode = "state"   // everything but /var
	Yes     Mode = "yes"     // nothing
	Overlay Mode = "overlay" // nothing, but the instance shows through
)

// Options is what the kernel command line asks for, with defaults filled in.
type Options struct {
	Mode      Mode
	Root      string        // root=: which partition is the pool, or ""
	RootFlags string        // rootflags=: mount options of the pool
	ReadOnly  bool          // ro: mount a persistent / read-only
	Init      string        // init=, or ""
	Usr       string        // freshroot.usr=: the pin, or ""
	Instance  string        // freshroot.root=
	Tmpfs     string        // mount options of each tmpfs
	Populate  string        // freshroot.populate=: one of Populates
	Timeout   time.Duration // freshroot.timeout=: the longest wait for the disk
	OnFailure string        // freshroot.on-failure=: one of OnFailures, or ""
	Log       string        // freshroot.log=: one of LogLevels
	Watchdog  int           // freshroot.watchdog=: seconds, 0 if it is not to be armed
	Deadline  int           // freshroot.deadline=: seconds without progress, 0 for no end
	Home      string        // freshroot.home=: one of Homes
	Break     string        // freshroot.break=: one of Breaks, or ""
	NoShell   bool          // the initramfs gives none, see ForbidShell

	Reset        reset.Scope // freshroot.reset=
	FactoryReset string      // systemd.factory_reset=: "yes", "no", or ""
}

// OnFailures are the values of freshroot.on-failure=.
var OnFailures = []string{"reboot", "poweroff", "halt", "shell"}

// Populates are the values of freshroot.populate=: who fills an empty root.
var Populates = []string{"auto", "factory", "full", "none"}

// LogLevels are the values of freshroot.log=.
var LogLevels = []string{"error", "info", "debug"}

// maxTimeout bounds the wait for the disk: a typing error must not hang a boot.
const maxTimeout = time.Hour

// prefix starts the keys that are ours alone.
const prefix = "freshroot."

// keys maps each key to what reads its value. A reader that does not know the
// value returns the known ones, or a description of them.
var keys = map[string]func(*Options, cmdline.Param) (known []string, ok bool){
	"volatile":              readMode,
	"systemd.volatile":      readMode,
	"systemd.factory_reset": readFactoryReset,
	"root":                  readString(func(o *Options) *string { return &o.Root }),
	"rootflags":             readString(func(o *Options) *string { return &o.RootFlags }),
	"init":                  readString(func(o *Options) *string { return &o.Init }),
	"ro":                    readFlag(true),
	"rw":                    readFlag(false),
	"freshroot.usr":         readString(func(o *Options) *string { return &o.Usr }),
	"freshroot.root":        readInstance,
	"freshroot.home":        readChoice(Homes, func(o *Options) *string { return &o.Home }),
	"freshroot.reset":       readReset,
	"freshroot.tmpfs":       readTmpfs,
	"freshroot.populate":    readChoice(Populates, func(o *Options) *string { return &o.Populate }),
	"freshroot.timeout":     readTimeout,
	"freshroot.watchdog":    readWatchdog,
	"freshroot.deadline":    readDeadline,
	"freshroot.break":       readChoice(Breaks, func(o *Options) *string { return &o.Break }),
	"freshroot.on_failure":  readChoice(OnFailures, func(o *Options) *string { return &o.OnFailure }),
	"freshroot.log":         readChoice(LogLevels, func(o *Options) *string { return &o.Log }),
}

// ParseOptions reads the parameters that concern freshroot. It never fails: what
// it does not understand is left out and described in the warnings, with the
// nearest thing that it would have understood.
func ParseOptions(params cmdline.Params) (opts Options, warnings []string) {
	opts = Options{
		Mode:     No,
		Instance: "default",
		Tmpfs:    joinTmpfs(nil),
		Populate: "auto",
		Timeout:  30 * time.Second,
		Deadline: 300,
		Log:      "info",
		Home:     "auto",
	}
	for _, p := range params {
		read := keys[strings.ReplaceAll(p.Key, "-", "_")]
		if read == nil {
			if warning := unknownKey(p.Key); warning != "" {
				warnings = append(warnings, warning)
			}
			continue
		}
		if known, ok := read(&opts, p); !ok {
			warnings = append(warnings, unknownValue(p, known))
		}
	}
	return opts, warnings
}

func readString(field func(*Options) *string) func(*Options, cmdline.Param) ([]string, bool) {
	return func(o *Options, p cmdline.Param) ([]string, bool) {
		*field(o) = p.Value
		return nil, true
	}
}

func readFlag(readOnly bool) func(*Options, cmdline.Param) ([]string, bool) {
	return func(o *Options, p cmdline.Param) ([]string, bool) {
		o.ReadOnly = readOnly
		return nil, true
	}
}

func readChoice(choices []string, field func(*Options) *string) func(*Options, cmdline.Param) ([]string, bool) {
	return func(o *Options, p cmdline.Param) ([]string, bool) {
		if !slices.Contains(choices, p.Value) {
			return choices, false
		}
		*field(o) = p.Value
		return nil, true
	}
}

// booleans are the spellings of parse_boolean in systemd.
var booleans = map[string]Mode{
	"1": Yes, "yes": Yes, "y": Yes, "true": Yes, "t": Yes, "on": Yes,
	"0": No, "no": No, "n": No, "false": No, "f": No, "off": No,
}

func readMode(o *Options, p cmdline.Param) ([]string, bool) {
	value := strings.ToLower(p.Value)
	mode, ok := booleans[value]
	switch {
	case !p.HasValue:
		o.Mode = Yes
	case ok:
		o.Mode = mode
	case p.Value == string(State), p.Value == string(Overlay):
		o.Mode = Mode(p.Value)
	default:
		return []string{"no", "state", "yes", "overlay"}, false
	}
	return nil, true
}

func readInstance(o *Options, p cmdline.Param) ([]string, bool) {
	if _, err := instanceMember(p.Value, "v", "a"); err != nil {
		return []string{"a name of letters, digits and ._-"}, false
	}
	o.Instance = p.Value
	return nil, true
}

func readTimeout(o *Options, p cmdline.Param) ([]string, bool) {
	s, err := strconv.ParseUint(p.Value, 10, 31)
	if err != nil {
		return []string{"seconds, as in freshroot.timeout=30"}, false
	}
	o.Timeout = min(time.Duration(s)*time.Second, maxTimeout)
	return nil, true
}

// unknownKey warns of a key that is ours and not known, or that is nearly one that we share
// with others: a misspelt volatile=yes would keep what was to be lost.
func unknownKey(key string) string {
	name, ours := strings.CutPrefix(key, prefix)
	guess := ""
	if ours {
		guess = suggest(prefix, name, knownKeys(true))
	} else if near := nearest(key, knownKeys(false), 3); near != "" {
		guess = didYouMean(near)
	}
	if guess == "" {
		return ""
	}
	return fmt.Sprintf("%s= is not known and was left out; %s", key, guess)
}

// leastGuessed is the length of a key of others from which on it is guessed at: shorter ones
// are near to too much that is none of our business.
const leastGuessed = 8

// knownKeys are the keys that are ours alone, without their prefix, or the longer ones
// that are not.
func knownKeys(ours bool) (known []string) {
	for k := range keys {
		name, isOurs := strings.CutPrefix(k, prefix)
		if isOurs == ours && (ours || len(name) >= leastGuessed) {
			known = append(known, strings.ReplaceAll(name, "_", "-"))
		}
	}
	return known
}

func unknownValue(p cmdline.Param, known []string) string {
	return fmt.Sprintf("%s=%s is not understood and was left out; %s", p.Key, p.Value, suggest("", p.Value, known))
}

// suggest names the nearest of the known words, or all if none is near: a third of the
// letters may be wrong, so that of a short word nothing is guessed. All begin with the
// same text, which tells them apart in nothing.
func suggest(begin, word string, known []string) string {
	if best := nearest(word, known, len(word)/3+1); best != "" {
		return didYouMean(begin + best)
	}
	return "known: " + begin + strings.Join(slices.Sorted(slices.Values(known)), ", "+begin)
}

func didYouMean(word string) string { return fmt.Sprintf("did you mean %s?", word) }

// nearest returns the known word that is nearest, of those with less than so many letters
// wrong; "" if there is none.
func nearest(word string, known []string, distance int) (best string) {
	for _, k := range slices.Sorted(slices.Values(known)) {
		if d := editDistance(word, k); d < distance {
			best, distance = k, d
		}
	}
	return best
}

// editDistance counts the bytes to insert, delete or change (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
