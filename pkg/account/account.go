// Package account reads and writes the four files that hold accounts, as text:
// passwd(5), group(5), shadow(5) and gshadow(5).
//
// Lines are taken and refused, and entries are written, as the C library does it
// (fgetpwent(3), putpwent(3) and their likes), so that all programs of a system agree
// on what a file says: blank lines and comments (#) are passed over, a line that does
// not parse is no entry, and of two entries with one name or one id the first counts.
//
// It is pure: the caller reads the files, bounds their size, and needs the privileges.
package account

import (
	"bytes"
	"cmp"
	"iter"
	"slices"
	"sort"
	"strings"
)

// User is a line of passwd.
type User struct {
	Name, Password     string
	UID, GID           uint32
	GECOS, Home, Shell string
}

// Group is a line of group.
type Group struct {
	Name, Password string
	GID            uint32
	Members        []string
}

// Database is what passwd and group say together. Looking up is a binary search, since
// a configuration may name thousands of accounts.
type Database struct {
	users                []User
	groups               []Group
	userNames, userIDs   []int32
	groupNames, groupIDs []int32
}

// Parse reads passwd and group; either may be nil. Lines that do not parse are left
// out. The memory it takes is bounded by the length of the texts.
func Parse(passwd, group []byte) *Database {
	d := &Database{
		users:  collect(passwd, Users),
		groups: collect(group, Groups),
	}
	d.userNames = index(len(d.users), func(a, b int32) int {
		return strings.Compare(d.users[a].Name, d.users[b].Name)
	})
	d.userIDs = index(len(d.users), func(a, b int32) int {
		return cmp.Compare(d.users[a].UID, d.users[b].UID)
	})
	d.groupNames = index(len(d.groups), func(a, b int32) int {
		return strings.Compare(d.groups[a].Name, d.groups[b].Name)
	})
	d.groupIDs = index(len(d.groups), func(a, b int32) int {
		return cmp.Compare(d.groups[a].GID, d.groups[b].GID)
	})
	return d
}

// collect makes room for all entries at once: there are no more of them than lines.
func collect[E any](text []byte, entries func(string) iter.Seq[E]) []E {
	return slices.AppendSeq(make([]E, 0, bytes.Count(text, []byte("\n"))+1),
		entries(string(text)))
}

// Users returns the users in the order of the file. The slice is the database's own.
func (d *Database) Users() []User { return d.users }

// Groups returns the groups in the order of the file. The slice is the database's own.
func (d *Database) Groups() []Group { return d.groups }

// UserByName finds the first user of a name.
func (d *Database) UserByName(name string) (User, bool) {
	return find(d.users, d.userNames, func(u User) int {
		return strings.Compare(u.Name, name)
	})
}

// UserByID finds the first user with an id.
func (d *Database) UserByID(id uint32) (User, bool) {
	return find(d.users, d.userIDs, func(u User) int { return cmp.Compare(u.UID, id) })
}

// GroupByName finds the first group of a name.
func (d *Database) GroupByName(name string) (Group, bool) {
	return find(d.groups, d.groupNames, func(g Group) int {
		return strings.Compare(g.Name, name)
	})
}

// GroupByID finds the first group with an id.
func (d *Database) GroupByID(id uint32) (Group, bool) {
	return find(d.groups, d.groupIDs, func(g Group) int { return cmp.Compare(g.GID, id) })
}

// index orders n entries without moving them. Equal ones keep the order of the file, so
// that a search finds the first.
func index(n int, compare func(a, b int32) int) []int32 {
	order := make([]int32, n)
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, compare)
	return order
}

// find searches the entries in the order of an index; compare says how an entry stands
// to the one that is wanted.
func find[E any](entries []E, order []int32, compare func(E) int) (entry E, found bool) {
	i, found := sort.Find(len(order), func(i int) int {
		return -compare(entries[order[i]])
	})
	if found {
		entry = entries[order[i]]
	}
	return entry, found
}
