package account

import (
	"errors"
	"strconv"
	"strings"
)

// ErrField is returned for an entry with a field that cannot be written, since it has a
// colon or the end of a line in it.
var ErrField = errors.New("field with a colon or a line end")

// Unset is a number of shadow that is left empty.
const Unset = -1

// Shadow is a line of shadow. Numbers are days; Change and Expire count from 1970.
type Shadow struct {
	Name, Password         string
	Change, Min, Max       int32
	Warn, Inactive, Expire int32
	Flag                   int64
}

// GroupShadow is a line of gshadow.
type GroupShadow struct {
	Name, Password          string
	Administrators, Members []string
}

// Compat says that a line stands for users of a directory service, NIS for example, or
// takes some of them away: its name begins with + or -.
func (u User) Compat() bool { return compat(u.Name) }

// Compat is [User.Compat] for groups.
func (g Group) Compat() bool { return compat(g.Name) }

// Compat is [User.Compat] for lines of shadow.
func (s Shadow) Compat() bool { return compat(s.Name) }

// Append appends the line of passwd. Where [User.Compat] holds there are no ids.
func (u User) Append(b []byte) ([]byte, error) {
	if !writable(u.Name, u.Password, u.GECOS, u.Home, u.Shell) {
		return b, ErrField
	}
	b = appendFields(b, u.Name, u.Password)
	// Ids there would give the users of the service other ids.
	if compat(u.Name) {
		b = append(b, "::"...)
	} else {
		b = append(strconv.AppendUint(b, uint64(u.UID), 10), ':')
		b = append(strconv.AppendUint(b, uint64(u.GID), 10), ':')
	}
	// The shell is the last one, so no colon follows.
	b = append(appendFields(b, u.GECOS, u.Home), u.Shell...)
	return append(b, '\n'), nil
}

// Append appends the line of group. Where [Group.Compat] holds there is no id.
func (g Group) Append(b []byte) ([]byte, error) {
	if !writable(g.Name, g.Password) || !writableList(g.Members) {
		return b, ErrField
	}
	b = appendFields(b, g.Name, g.Password)
	if !compat(g.Name) {
		b = strconv.AppendUint(b, uint64(g.GID), 10)
	}
	b = appendList(append(b, ':'), g.Members)
	return append(b, '\n'), nil
}

// Append appends the line of shadow.
func (s Shadow) Append(b []byte) ([]byte, error) {
	if !writable(s.Name, s.Password) {
		return b, ErrField
	}
	b = appendFields(b, s.Name, s.Password)
	// They follow each other in the order of the file.
	for _, days := range []int32{s.Change, s.Min, s.Max, s.Warn, s.Inactive, s.Expire} {
		b = append(appendNumber(b, int64(days)), ':')
	}
	return append(appendNumber(b, s.Flag), '\n'), nil
}

// Append appends the line of gshadow.
func (g GroupShadow) Append(b []byte) ([]byte, error) {
	if !writable(g.Name, g.Password) ||
		!writableList(g.Administrators) || !writableList(g.Members) {
		return b, ErrField
	}
	b = appendFields(b, g.Name, g.Password)
	b = append(appendList(b, g.Administrators), ':')
	return append(appendList(b, g.Members), '\n'), nil
}

// appendFields appends fields that others follow.
func appendFields(b []byte, fields ...string) []byte {
	for _, field := range fields {
		b = append(append(b, field...), ':')
	}
	return b
}

// appendList appends the last field, or one before a colon.
func appendList(b []byte, members []string) []byte {
	for i, member := range members {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, member...)
	}
	return b
}

// appendNumber leaves a number that is not set empty.
func appendNumber(b []byte, n int64) []byte {
	if n == Unset {
		return b
	}
	return strconv.AppendInt(b, n, 10)
}

// writable says that fields end where they should: the C library refuses others, too.
func writable(fields ...string) bool {
	for _, field := range fields {
		if strings.ContainsAny(field, ":\n") {
			return false
		}
	}
	return true
}

// writableList also takes no commas, which would make two members of one.
func writableList(members []string) bool {
	for _, member := range members {
		if strings.ContainsAny(member, ":\n,") {
			return false
		}
	}
	return true
}
