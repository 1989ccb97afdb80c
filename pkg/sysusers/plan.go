package sysusers

import (
	"fmt"

	"github.com/freshroot/freshroot/pkg/account"
)

// Files are the files of a root before anything is done; nil for what is missing.
type Files struct {
	Passwd, Group, Shadow, GShadow, LoginDefs []byte
}

// Plan is what is made, and where. It is decided; writing changes nothing in it.
type Plan struct {
	config  *Config
	present *account.Database
	shadow  []byte
	gshadow []byte

	// The texts are only looked at when they are written.
	// What is made, in this order. Those of c.users that have no group of their name
	// yet bring one.
	newUsers, newGroups []*item
	uids, gids          index[uint32]
	search              uint32 // the ids from here up are given out
	ranges              ranges
	odd                 *loginDefs // limits to warn of when an id is given out by them
}

// Plan decides what the configuration brings to the files. What cannot be made is noted,
// and is no error. A configuration can be planned once.
func (c *Config) Plan(files Files) (*Plan, error) {
	p := &Plan{
		config:  c,
		present: account.Parse(files.Passwd, files.Group),
		shadow:  files.Shadow,
		gshadow: files.GShadow,
		search:  1<<32 - 1,
		ranges:  c.ranges,
	}
	// The ids are looked for below the largest number there is.
	p.uids.init(func(i int32) uint32 { return p.newUsers[i].uid })
	p.gids.init(func(i int32) uint32 { return p.newGroups[i].gid })
	if p.ranges == nil {
		defs, err := parseLoginDefs(files.LoginDefs)
		if err != nil {
			return nil, fmt.Errorf("read login.defs: %w", err)
		}
		p.ranges = defs.ranges()
		if defs != builtin {
			p.odd = &defs
		}
	}
	// Groups come first: a user then finds the group of its name, or the one it names.
	c.implied()
	for i := range c.groups.all() {
		p.try(i, p.addGroup)
	}
	for i := range c.users.all() {
		p.try(i, p.add)
	}
	return p, nil
}

// Touches names the files of /etc that the plan writes, if anything in them changes.
func (p *Plan) Touches() (names []string) {
	if p.touchesGroups() {
		names = append(names, "group", "gshadow")
	}
	if p.touchesUsers() {
		names = append(names, "passwd", "shadow")
	}
	return names
}

// touchesUsers says that there are users to be made, so that both of their files change.
func (p *Plan) touchesUsers() bool { return len(p.newUsers) > 0 }

// touchesGroups says that groups may change: a member may be one already.
func (p *Plan) touchesGroups() bool {
	return len(p.newGroups) > 0 || len(p.config.members.list) > 0
}

// implied adds the users and groups that only m lines name.
func (c *Config) implied() {
	for _, m := range c.members.list {
		for _, user := range m.users {
			// What is implied may be configured in full by a later file: that one counts.
			if c.users.find(user) == nil {
				c.users.add(item{record: user})
			}
		}
		if c.users.find(m.group) == nil && c.groups.find(m.group) == nil {
			c.groups.add(item{record: m.group})
		}
	}
}

// try goes on after what cannot be made: one service less is better than no users.
func (p *Plan) try(i *item, add func(*item) error) {
	if err := add(i); err != nil {
		p.config.note(Error, "%v", err)
	}
}

// add decides on the group of a user, and then on the user.
func (p *Plan) add(i *item) error {
	named := i.field(fieldGroup)
	if queued := p.queued(i, named); queued != nil {
		i.gid, i.gidSet, i.strict = queued.gid, queued.gidSet, true
	} else if named != "" {
		// A group that the configuration does not make has to be there.
		gid, ok := p.groupID(named)
		if !ok {
			return fmt.Errorf("make user %s: there is no group %s", i.name(), named)
		}
		i.gid, i.gidSet, i.strict = gid, true, true
	} else if err := p.addGroup(i); err != nil {
		return err
	}
	return p.addUser(i)
}

// queued returns the item that makes the group of a user: the group of that name, or the
// user whose group has it.
func (p *Plan) queued(i *item, named string) (group *item) {
	switch {
	// A number says all.
	case i.gidSet:
		return nil
	case named == "":
		group = p.config.groups.find(i.name())
	default:
		if group = p.config.groups.find(named); group == nil {
			group = p.config.users.find(named)
		}
	}
	// One that is not made, or has not been yet, is looked for among those there are.
	if group == nil || !group.newGroup {
		return nil
	}
	return group
}

// addUser chooses the id of a user: the one asked for, that of its file, the one its
// group has, or a free one.
func (p *Plan) addUser(i *item) error {
	name := i.name()
	if uid, ok := p.userID(name); ok {
		i.uid, i.uidSet = uid, true
		return nil
	}
	// An id that is taken is no error: the user gets another one.
	if i.uidSet && !p.uidFree(i.uid, name, !i.strict) {
		p.config.note(Info, "User id %d, wanted for %s, is taken.", i.uid, name)
		i.uidSet = false
	}
	if !i.uidSet {
		if uid, _, ok := p.owner(i); ok && p.suits(uid) && p.uidFree(uid, name, true) {
			i.uid, i.uidSet = uid, true
		}
	}
	// A user and the group of its name are easier to tell with one number.
	if !i.uidSet && i.gidSet && p.uidFree(i.gid, name, true) {
		i.uid, i.uidSet = i.gid, true
	}
	if !i.uidSet {
		uid, err := p.next(name, p.uidFree)
		if err != nil {
			return fmt.Errorf("make user %s: %w", name, err)
		}
		i.uid, i.uidSet = uid, true
	}
	// Others see from here on that the id is taken.
	i.newUser = true
	p.newUsers = append(p.newUsers, i)
	p.uids.add(int32(len(p.newUsers) - 1))
	p.config.note(Info, "Making user '%s' (%s) with UID %d and GID %d.",
		name, orNone(i.field(fieldGECOS)), i.uid, i.gid)
	return nil
}

// orNone says that there is no description.
func orNone(s string) string {
	if s == "" {
		return "n/a"
	}
	return s
}

// addGroup chooses the id of a group: the one asked for, the one its user has, that of
// its file, or a free one. Users come here for the group of their name.
func (p *Plan) addGroup(i *item) error {
	name := i.name()
	if gid, ok := p.groupID(name); ok {
		i.gid, i.gidSet = gid, true
		return nil
	}
	if i.gidSet {
		free := p.gidFree(i.gid, name, false)
		// Only with UID:GID is the group another one than that of the user's name.
		switch {
		case i.strict && free:
			return fmt.Errorf("make user %s: there is no group with id %d", name, i.gid)
		case i.strict:
			return nil
		case !free:
			p.config.note(Info, "Group id %d, wanted for %s, is taken.", i.gid, name)
			i.gidSet = false
		}
	}
	if !i.gidSet && i.uidSet && p.gidFree(i.uid, name, true) {
		i.gid, i.gidSet = i.uid, true
	}
	if !i.gidSet {
		if _, gid, ok := p.owner(i); ok && p.suits(gid) && p.gidFree(gid, name, true) {
			i.gid, i.gidSet = gid, true
		}
	}
	if !i.gidSet {
		gid, err := p.next(name, p.gidFree)
		if err != nil {
			return fmt.Errorf("make group %s: %w", name, err)
		}
		i.gid, i.gidSet = gid, true
	}
	// A user that is handled later finds its group by this.
	i.newGroup = true
	p.newGroups = append(p.newGroups, i)
	p.gids.add(int32(len(p.newGroups) - 1))
	p.config.note(Info, "Making group '%s' with GID %d.", name, i.gid)
	return nil
}

// owner asks for the owner of the file that an item takes its id from.
func (p *Plan) owner(i *item) (uid, gid uint32, ok bool) {
	path := i.field(fieldPath)
	// Without a root to look into, as in some tests, there are no files.
	if path == "" || p.config.root.Owner == nil {
		return 0, 0, false
	}
	return p.config.root.Owner(path)
}

// suits says whether the id of a file's owner may be given to somebody.
func (p *Plan) suits(id uint32) bool { return id != 0 && p.ranges.contains(id) }

// next returns the next free id. Users and groups share one row of ids, so that a user
// and its group have the same.
func (p *Plan) next(name string, free func(uint32, string, bool) bool) (uint32, error) {
	p.warnOfLimits()
	// What was taken when it was tried stays taken, so the search never goes back.
	for {
		id, err := p.ranges.below(p.search)
		if err != nil {
			return 0, err
		}
		p.search = id
		if free(id, name, true) {
			return id, nil
		}
	}
}

// warnOfLimits says once that ids are given out by rules which others may not know of.
func (p *Plan) warnOfLimits() {
	if d := p.odd; d != nil {
		p.config.note(Warning, "login.defs has system users from %d to %d and groups "+
			"from %d to %d; usual is %d to %d.",
			d.minUID, d.maxUID, d.minGID, d.maxGID, systemMin, systemMax)
	}
	p.odd = nil
}
