package sysusers

import (
	"hash/maphash"
	"iter"
	"strings"
)

// item is a user or a group to be made. A configuration may have tens of thousands of
// them, so the fields of text share one string.
type item struct {
	record   string // the fields, with zero bytes between them
	uid, gid uint32
	file     uint32 // where it came from: the number of the file, and
	line     uint32 // the line; 0 for what an m line implies

	uidSet, gidSet bool
	// strict is for an id of a group that has to be there: that a user has the same
	// number does not matter then.
	strict bool
	locked bool
	// newUser and newGroup say what was decided to make.
	newUser, newGroup bool
}

// The fields of a record.
const (
	fieldName  = iota
	fieldGroup // of a user: the name of its group
	fieldPath  // the file whose owner is taken
	fieldGECOS
	fieldHome
	fieldShell
)

// record joins fields; those at the end may be left away.
func record(fields ...string) string { return strings.Join(fields, "\x00") }

// field returns a field, or nothing: fields at the end may be missing.
func (i *item) field(n int) string {
	rest := i.record
	for ; n > 0; n-- {
		_, rest, _ = strings.Cut(rest, "\x00")
	}
	field, _, _ := strings.Cut(rest, "\x00")
	return field
}

func (i *item) name() string { return i.field(fieldName) }

// chunk is how many items are allocated at once. They never move.
const chunk = 256

// items are users or groups, in the order of the configuration, one for each name.
type items struct {
	chunks [][]item
	byName index[string]
}

func (l *items) init() { l.byName.init(func(i int32) string { return l.at(i).name() }) }

// at returns the item with a number.
func (l *items) at(i int32) *item { return &l.chunks[i/chunk][i%chunk] }

// all yields the items in their order.
func (l *items) all() iter.Seq[*item] {
	return func(yield func(*item) bool) {
		for i := range int32(l.byName.used) {
			if !yield(l.at(i)) {
				return
			}
		}
	}
}

// find returns the item of a name, or nil.
func (l *items) find(name string) *item {
	if i, ok := l.byName.find(name); ok {
		return l.at(i)
	}
	return nil
}

func (l *items) add(i item) {
	// Growing a slice would leave as much garbage as there are items.
	last := len(l.chunks) - 1
	if last < 0 || len(l.chunks[last]) == chunk {
		l.chunks = append(l.chunks, make([]item, 0, chunk))
		last++
	}
	l.chunks[last] = append(l.chunks[last], i)
	l.byName.add(int32(l.byName.used))
}

// membership is what m lines add to a group.
type membership struct {
	group string
	users []string
}

// memberships are in the order in which the groups came.
type memberships struct {
	list    []membership
	byGroup index[string]
}

func (m *memberships) init() {
	m.byGroup.init(func(i int32) string { return m.list[i].group })
}

// users returns the new members of a group.
func (m *memberships) users(group string) []string {
	if i, ok := m.byGroup.find(group); ok {
		return m.list[i].users
	}
	return nil
}

// add adds a member once.
func (m *memberships) add(group, user string) {
	i, ok := m.byGroup.find(group)
	if !ok {
		i = int32(len(m.list))
		m.list = append(m.list, membership{group: group})
		m.byGroup.add(i)
	}
	for _, u := range m.list[i].users {
		if u == user {
			return
		}
	}
	m.list[i].users = append(m.list[i].users, user)
}

// index finds entries of a slice by a key. It is a hash table that holds no keys, a
// third of a map's memory.
type index[K comparable] struct {
	key   func(int32) K
	seed  maphash.Seed
	slots []int32 // number of the entry + 1; at least half are free
	used  int
}

func (x *index[K]) init(key func(int32) K) { x.key, x.seed = key, maphash.MakeSeed() }

// find returns the number of the entry with a key.
func (x *index[K]) find(key K) (int32, bool) {
	if x.used == 0 {
		return 0, false
	}
	entry := x.slots[x.slot(key)]
	return entry - 1, entry != 0
}

// add adds the entry with a number, whose key is not there yet.
func (x *index[K]) add(i int32) {
	// Half full is where searches are still short.
	if 2*(x.used+1) > len(x.slots) {
		old := x.slots
		x.slots = make([]int32, max(64, 2*len(old)))
		for _, entry := range old {
			if entry != 0 {
				x.slots[x.slot(x.key(entry-1))] = entry
			}
		}
	}
	x.slots[x.slot(x.key(i))] = i + 1
	x.used++
}

// slot returns where a key is, or where it would be put.
func (x *index[K]) slot(key K) uint64 {
	mask := uint64(len(x.slots) - 1)
	// Neighbours are tried one after the other; some slot is always free.
	for s := maphash.Comparable(x.seed, key); ; s++ {
		entry := x.slots[s&mask]
		if entry == 0 || x.key(entry-1) == key {
			return s & mask
		}
	}
}
