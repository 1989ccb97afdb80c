package lint

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/freshroot/freshroot/pkg/golden/shipped"
	"github.com/freshroot/freshroot/pkg/tmpfiles"
)

// The numbers up to the first are the vendor's, and that of nobody is everybody's.
const (
	lastSystem = 999
	nobody     = 65534
)

// number is the fixed number of a line of sysusers.d.
func number(l shipped.Sysuser) (uint32, bool) {
	text, _, _ := strings.Cut(l.ID, ":")
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err == nil
}

// hasUser and hasGroup say whether a number is one that the image makes.
func (t *tree) hasUser(id uint32) bool {
	_, ok := t.accounts.UserByID(id)
	return ok || id == 0 || t.hasLine(func(l shipped.Sysuser) bool {
		n, fixed := number(l)
		return l.Type == 'u' && fixed && n == id
	})
}

func (t *tree) hasGroup(id uint32) bool {
	_, ok := t.accounts.GroupByID(id)
	return ok || id == 0 || t.hasLine(func(l shipped.Sysuser) bool {
		n, fixed := number(l)
		// A user with one number comes with a group that has the same.
		group := l.Type == 'g' || l.Type == 'u' && !strings.Contains(l.ID, ":")
		return group && fixed && n == id
	})
}

// hasLine says whether sysusers.d has such a line.
func (t *tree) hasLine(is func(shipped.Sysuser) bool) bool {
	return slices.ContainsFunc(t.sysusers, is)
}

// knowsUser and knowsGroup say whether a name is one that the image makes. An m line
// makes the user and the group, too.
func (t *tree) knowsUser(name string) bool {
	_, ok := t.accounts.UserByName(name)
	return ok || isNumber(name) || t.hasLine(func(l shipped.Sysuser) bool {
		return (l.Type == 'u' || l.Type == 'm') && l.Name == name
	})
}

func (t *tree) knowsGroup(name string) bool {
	_, ok := t.accounts.GroupByName(name)
	return ok || isNumber(name) || t.hasLine(func(l shipped.Sysuser) bool {
		made := (l.Type == 'u' || l.Type == 'g') && l.Name == name
		return made || l.Type == 'm' && l.ID == name
	})
}

// isNumber says that a name needs nobody to make it.
func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil || s == "root"
}

// checkOwners wants each owner of a file to be one that the image makes. One file of
// each is enough to tell whose package it is.
func checkOwners(t *tree) (found []Finding) {
	report := func(kind string, id uint32, name string) {
		found = append(found, Finding{
			Severity: Error, Path: name,
			What: fmt.Sprintf("belongs to %s %d, which nobody makes", kind, id),
			Why:  "whoever gets this number on a running system owns it",
			Do:   "give it to root, or add a line with this number to sysusers.d",
		})
	}
	for _, id := range slices.Sorted(maps.Keys(t.owners.users)) {
		if !t.hasUser(id) {
			report("user", id, t.owners.users[id])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(t.owners.groups)) {
		if !t.hasGroup(id) {
			report("group", id, t.owners.groups[id])
		}
	}
	return found
}

// checkIDs wants the numbers of sysusers.d to be a vendor's. The numbers that mean none
// make a line broken, which checkLines reports.
func checkIDs(t *tree) (found []Finding) {
	for _, l := range t.sysusers {
		id, fixed := number(l)
		if !fixed || l.Type != 'u' && l.Type != 'g' || id <= lastSystem || id == nobody {
			continue
		}
		found = append(found, Finding{
			Severity: Warning, Path: l.File,
			What: fmt.Sprintf("line %d gives %q the number %d", l.Line, l.Name, id),
			Why:  fmt.Sprintf("above %d are people, and numbers lent for a while", lastSystem),
			Do:   "choose a lower one",
		})
	}
	return found
}

// checkDrift wants users that files belong to, to have the same number on each system,
// also if not the factory's passwd but systemd-sysusers makes them.
func checkDrift(t *tree) (found []Finding) {
	settled := map[string]bool{} // "u" or "g" and a name that an earlier line has
	for _, l := range t.sysusers {
		user, group := "u"+l.Name, "g"+l.Name
		_, fixed := number(l)
		var name string
		switch {
		case l.Type == 'u' && !fixed:
			name = t.ownedByUser(l.Name, settled[user], settled[group])
		case l.Type == 'g' && !fixed && !settled[group]:
			name = t.ownedByGroup(l.Name)
		}
		settled[group] = settled[group] || l.Type == 'g' || l.Type == 'u'
		settled[user] = settled[user] || l.Type == 'u'
		if name != "" {
			found = append(found, Finding{
				Severity: Warning, Path: name,
				What: fmt.Sprintf("belongs to %q, whose number %s leaves open", l.Name, l.Place()),
				Why:  "systemd-sysusers may choose another one: then others own it",
				Do:   "run freshroot factory build, which writes it to sysusers.d",
			})
		}
	}
	return found
}

// ownedByUser returns a file that belongs, by the factory's numbers, to a user, or to
// the group that comes with it, or "".
func (t *tree) ownedByUser(name string, userSettled, groupSettled bool) string {
	if u, ok := t.accounts.UserByName(name); ok && !userSettled {
		if owned := t.owners.users[u.UID]; owned != "" {
			return owned
		}
	}
	if groupSettled {
		return ""
	}
	return t.ownedByGroup(name)
}

// ownedByGroup is ownedByUser for a group.
func (t *tree) ownedByGroup(name string) string {
	if g, ok := t.accounts.GroupByName(name); ok {
		return t.owners.groups[g.GID]
	}
	return ""
}

// checkNames wants the users and groups of tmpfiles.d, which numbers do not need.
func checkNames(t *tree) (found []Finding) {
	report := func(l tmpfiles.Line, kind, name string) {
		found = append(found, Finding{
			Severity: Warning, Path: l.File,
			What: fmt.Sprintf("line %d names %s %q, whom nobody makes", l.Number, kind, name),
			Why:  "systemd-tmpfiles does not apply the line",
			Do:   "add a line to sysusers.d",
		})
	}
	for _, l := range t.tmpfiles {
		if l.User.Set && !l.User.Numeric && !t.knowsUser(l.User.Name) {
			report(l, "user", l.User.Name)
		}
		if l.Group.Set && !l.Group.Numeric && !t.knowsGroup(l.Group.Name) {
			report(l, "group", l.Group.Name)
		}
	}
	return found
}
