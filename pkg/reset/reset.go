// Package reset has the words of a reset: what it throws away, how it is asked for, and
// what the names in the trash say.
//
// A request is a line in a file of the pool, .freshroot/requests/INSTANCE:
//
//	reset var
//	reset all
//	undo root:default:org.example.os:x86-64@7-20261123T231500Z.var
//
// The last word of an undo is an entry of the trash: the instance, a number that grows
// with each reset, the time as far as the machine knew it, and what was thrown away.
//
// The package is pure. What it reads comes from a disk or from the firmware and is not
// trusted: anything that it would not write itself is an error, and lengths are bounded.
package reset

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/freshroot/freshroot/pkg/subvol"
)

// Scope is what of an instance a reset throws away.
type Scope string

// The scopes.
const (
	None Scope = ""
	Var  Scope = "var" // only /var
	All  Scope = "all" // /etc, /var and the rest
)

// Scopes are the words for the scopes.
var Scopes = []string{string(Var), string(All)}

// Includes says whether a reset throws away all that another one would.
func (s Scope) Includes(other Scope) bool {
	return s == All || s == other || other == None
}

// Request is what the running system has asked the next boot to do with an instance:
// a reset, or the undoing of one. The zero Request is none.
type Request struct {
	Reset Scope
	Undo  string // the entry of the trash to bring back
}

// MaxRequest is the longest text of a request.
const MaxRequest = len("undo \n") + subvol.MaxName

// ParseRequest reads the text of a request.
func ParseRequest(text string) (Request, error) {
	if len(text) > MaxRequest {
		return Request{}, fmt.Errorf("parse request: longer than %d bytes", MaxRequest)
	}
	verb, object, _ := strings.Cut(strings.TrimSuffix(text, "\n"), " ")
	switch {
	case verb == "reset" && (object == string(Var) || object == string(All)):
		return Request{Reset: Scope(object)}, nil
	case verb == "undo":
		_, err := ParseTrashed(object)
		return Request{Undo: object}, err
	}
	return Request{}, fmt.Errorf("parse request %q: neither a reset nor an undo", text)
}

// String is the text of a request.
func (r Request) String() string {
	if r.Undo != "" {
		return "undo " + r.Undo + "\n"
	}
	return "reset " + string(r.Reset) + "\n"
}

// Renamed is the request after its instance got another name, and with it what it has in
// the trash.
func (r Request) Renamed(instance string) Request {
	if t, err := ParseTrashed(r.Undo); err == nil {
		r.Undo = t.Renamed(instance).String()
	}
	return r
}

// Trashed is the name of an entry of the trash.
type Trashed struct {
	Instance string    `json:"instance"`
	Number   uint64    `json:"number"` // the newest has the greatest, whatever the time
	Time     time.Time `json:"time"`
	Scope    Scope     `json:"scope"`
}

// timeLayout has no colon, which separates the fields of a member.
const timeLayout = "20060102T150405Z"

// ParseTrashed reads the name of an entry.
func ParseTrashed(name string) (Trashed, error) {
	t, err := parseTrashed(name)
	if err == nil && t.String() != name {
		err = errors.New("not as it would be written")
	}
	if err != nil {
		return Trashed{}, fmt.Errorf("parse trash entry %.300q: %w", name, err)
	}
	return t, nil
}

// parseTrashed accepts what has the parts.
func parseTrashed(name string) (t Trashed, err error) {
	at := strings.LastIndexByte(name, '@')
	number, rest, hasTime := strings.Cut(name[at+1:], "-")
	stamp, scope, hasScope := strings.Cut(rest, ".")
	if at < 0 || !hasTime || !hasScope || len(name) > subvol.MaxName {
		return t, errors.New("not INSTANCE@NUMBER-TIME.SCOPE")
	}
	t.Instance, t.Scope = name[:at], Scope(scope)
	if t.Scope != Var && t.Scope != All {
		return t, fmt.Errorf("scope %q is not known", scope)
	}
	if m, err := subvol.Parse(t.Instance); err != nil {
		return t, err
	} else if m.Kind != subvol.Root {
		return t, errors.New("not of an instance")
	}
	if t.Number, err = strconv.ParseUint(number, 10, 64); err != nil {
		return t, err
	}
	t.Time, err = time.Parse(timeLayout, stamp)
	return t, err
}

// String is the name of an entry.
func (t Trashed) String() string {
	return fmt.Sprintf("%s@%d-%s.%s", t.Instance, t.Number,
		t.Time.UTC().Format(timeLayout), t.Scope)
}

// Renamed is the entry after its instance got another name.
func (t Trashed) Renamed(instance string) Trashed {
	t.Instance = instance
	return t
}

// Next names what is thrown away now, so that it is the newest of all in the list. A
// clock beyond the years that a name can have is taken for the nearest one.
func Next(list []Trashed, instance string, scope Scope, now time.Time) Trashed {
	next := Trashed{instance, 1, nameable(now), scope}
	for _, t := range list {
		next.Number = max(next.Number, t.Number+1)
	}
	return next
}

// nameable is the nearest time that timeLayout has digits for.
func nameable(now time.Time) time.Time {
	first := time.Date(0, time.January, 1, 0, 0, 0, 0, time.UTC)
	last := time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)
	switch now = now.UTC().Truncate(time.Second); {
	case now.Before(first):
		return first
	case now.After(last):
		return last
	}
	return now
}

// Newest returns what was thrown away last of an instance.
func Newest(list []Trashed, instance string) (newest Trashed, ok bool) {
	for _, t := range list {
		if t.Instance == instance && (!ok || t.Number > newest.Number) {
			newest, ok = t, true
		}
	}
	return newest, ok
}

// Surplus returns what is beyond the newest few of each instance.
func Surplus(list []Trashed, spare int) (surplus []Trashed) {
	for _, t := range list {
		newer := 0
		for _, other := range list {
			if other.Instance == t.Instance && other.Number > t.Number {
				newer++
			}
		}
		if newer >= spare {
			surplus = append(surplus, t)
		}
	}
	return surplus
}
