package golden

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Ordinary users and groups have these numbers: people, who are none of the vendor's
// business. It is what login.defs says in every distribution known.
const firstOrdinary, lastOrdinary = 1000, 60000

// locked is a password that none matches, as systemd-sysusers writes it.
const locked = "!*"

// maxAccounts bounds a file of users: it is held in memory.
const maxAccounts = 16 << 20

// table is a file of lines whose fields are separated by colons.
type table struct {
	path  string
	lines []string
}

// accounts are the files that make the users. One that does not exist has no lines. They
// are edited as text, and not read and written anew by pkg/account: what is not to be
// changed stays to the byte.
type accounts struct {
	passwd, group, shadow, gshadow, subuid, subgid table
}

func readAccounts(root *os.Root) (*accounts, error) {
	a := &accounts{
		passwd: table{path: "etc/passwd"}, group: table{path: "etc/group"},
		shadow: table{path: "etc/shadow"}, gshadow: table{path: "etc/gshadow"},
		subuid: table{path: "etc/subuid"}, subgid: table{path: "etc/subgid"},
	}
	for _, t := range a.tables() {
		if err := t.read(root); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *accounts) tables() []*table {
	return []*table{&a.passwd, &a.group, &a.shadow, &a.gshadow, &a.subuid, &a.subgid}
}

// texts returns the content of each file.
func (a *accounts) texts() map[string]string {
	texts := map[string]string{}
	for _, t := range a.tables() {
		texts[t.path] = t.text()
	}
	return texts
}

func (t *table) read(root *os.Root) error {
	text, err := readSmall(root, t.path, maxAccounts)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	t.lines = strings.SplitAfter(string(text), "\n")
	return nil
}

func (t *table) text() string { return strings.Join(t.lines, "") }

// readSmall reads a regular file of a bounded size. A link is refused: where it leads
// in the tree is not where it leads in a factory.
func readSmall(root *os.Root, name string, most int64) ([]byte, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", name, err)
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, fmt.Errorf("read %q: no regular file of at most %d bytes", name, most)
	}
	text, err := root.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", name, err)
	}
	return text, nil
}

// edit replaces the lines of a table by what f makes of their fields, and drops those
// that f returns nil for. What is no entry stays: comments, NIS, empty lines.
func (t *table) edit(f func(fields []string) []string) {
	var kept []string
	for _, line := range t.lines {
		body, end := strings.CutSuffix(line, "\n")
		fields := strings.Split(body, ":")
		if len(fields) < 3 {
			kept = append(kept, line)
			continue
		}
		if fields = f(fields); fields == nil {
			continue
		}
		line = strings.Join(fields, ":")
		if end {
			line += "\n"
		}
		kept = append(kept, line)
	}
	t.lines = kept
}

// dropOrdinary drops the people, with all that names them, and returns their names.
func (a *accounts) dropOrdinary() (names []string) {
	users, groups := a.passwd.dropNumbers(), a.group.dropNumbers()
	for _, t := range []*table{&a.shadow, &a.subuid, &a.subgid} {
		t.dropNames(users)
	}
	a.gshadow.dropNames(groups)
	// name:password:gid:members, and name:password:administrators:members
	a.group.dropMembers(users, 3)
	a.gshadow.dropMembers(users, 2, 3)
	return append(users, groups...)
}

// dropNumbers drops the entries whose third field is an ordinary number.
func (t *table) dropNumbers() (names []string) {
	t.edit(func(fields []string) []string {
		if id, err := strconv.ParseUint(fields[2], 10, 32); err != nil || !ordinary(id) {
			return fields
		}
		names = append(names, fields[0])
		return nil
	})
	return names
}

func ordinary(id uint64) bool { return firstOrdinary <= id && id <= lastOrdinary }

// dropNames drops the entries with these names, of files that have no numbers.
func (t *table) dropNames(names []string) {
	gone := set(names)
	t.edit(func(fields []string) []string {
		if gone[fields[0]] {
			return nil
		}
		return fields
	})
}

// dropMembers takes names out of the lists in some columns. A name that nobody has is
// a door for whoever gets it next.
func (t *table) dropMembers(names []string, columns ...int) {
	gone := set(names)
	t.edit(func(fields []string) []string {
		for _, column := range columns {
			if column < len(fields) {
				fields[column] = without(fields[column], gone)
			}
		}
		return fields
	})
}

// without takes names out of a list with commas.
func without(list string, gone map[string]bool) string {
	var kept []string
	for name := range strings.SplitSeq(list, ",") {
		if !gone[name] {
			kept = append(kept, name)
		}
	}
	return strings.Join(kept, ",")
}

func set(names []string) map[string]bool {
	s := make(map[string]bool, len(names))
	for _, name := range names {
		s[name] = true
	}
	return s
}

// lockPasswords makes the passwords ones that none matches, and returns whose. An
// empty one, which lets anyone in, is one too; of a group it lets nobody in, and in an
// entry for the users of a directory service it says nothing.
func (a *accounts) lockPasswords() (names []string) {
	for _, t := range []*table{&a.passwd, &a.shadow, &a.gshadow} {
		t.edit(func(fields []string) []string {
			compat := strings.IndexAny(fields[0], "+-") == 0
			empty := fields[1] == "" && t != &a.gshadow && !compat
			if IsPassword(fields[1]) || empty {
				fields[1] = locked
				names = append(names, fields[0])
			}
			return fields
		})
	}
	return names
}

// IsPassword says that the second field of passwd, shadow or gshadow has a hash, also
// behind the mark of a locked one: unlocking it brings the password back.
func IsPassword(field string) bool {
	switch strings.Trim(field, "!*") {
	case "", "x", "LK", "NP": // the last two are for "locked" and "no password"
		return false
	case "unprovisioned": // systemd's: systemd-firstboot may set one
		return false
	}
	return true
}
