package sysusers

import "strconv"

// userID finds a user that is there already.
func (p *Plan) userID(name string) (uint32, bool) {
	// The files come first: they are what is written.
	if user, ok := p.present.UserByName(name); ok {
		return user.UID, true
	}
	if p.config.root.User == nil {
		return 0, false
	}
	_, id, ok := p.config.root.User(name)
	return id, ok
}

// groupID finds a group that is there already.
func (p *Plan) groupID(name string) (uint32, bool) {
	if group, ok := p.present.GroupByName(name); ok {
		return group.GID, true
	}
	// In the init nobody else can be asked.
	if p.config.root.Group == nil {
		return 0, false
	}
	_, id, ok := p.config.root.Group(name)
	return id, ok
}

// known asks one of the functions of Root who has an id.
func known(ask func(string) (string, uint32, bool), id uint32) (name string, ok bool) {
	if ask == nil {
		return "", false
	}
	name, _, ok = ask(strconv.FormatUint(uint64(id), 10))
	return name, ok
}

// uidFree says whether a user may be given an id. With groups, one that is the id of a
// group of another name is kept for a user of that name.
func (p *Plan) uidFree(id uint32, name string, groups bool) bool {
	if _, taken := p.uids.find(id); taken {
		return false
	}
	// Files that others own must not become those of a new user.
	if _, taken := p.present.UserByID(id); taken {
		return false
	}
	if _, taken := known(p.config.root.User, id); taken {
		return false
	}
	// Where the group is given, nobody expects it to have the number of the user.
	if !groups {
		return true
	}
	// Somebody of the other name would become a member of a group it knows nothing of.
	if i, made := p.gids.find(id); made && p.newGroups[i].name() != name {
		return false
	}
	if group, there := p.present.GroupByID(id); there && group.Name != name {
		return false
	}
	group, there := known(p.config.root.Group, id)
	return !there || group == name
}

// gidFree is uidFree for groups.
func (p *Plan) gidFree(id uint32, name string, users bool) bool {
	if _, taken := p.gids.find(id); taken {
		return false
	}
	if _, taken := p.present.GroupByID(id); taken {
		return false
	}
	if _, taken := known(p.config.root.Group, id); taken {
		return false
	}
	if !users {
		return true
	}
	if i, made := p.uids.find(id); made && p.newUsers[i].name() != name {
		return false
	}
	if user, there := p.present.UserByID(id); there && user.Name != name {
		return false
	}
	// As systemd-sysusers does it, also where the user has the name of the group.
	_, there := known(p.config.root.User, id)
	return !there
}
