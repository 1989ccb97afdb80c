package sysusers

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/freshroot/freshroot/pkg/account"
)

// What stands for a password.
const (
	seeShadow     = "x"              // it is in shadow or gshadow
	unprovisioned = "!unprovisioned" // systemd-firstboot may set it
	invalid       = "!*"             // locked, and none would match
)

// writer writes entries to a file.
type writer struct {
	name string
	to   *bufio.Writer
	line []byte // of the entry that is written: the space is used again
}

// newWriter writes to w what has the name of a file of /etc in messages.
func newWriter(name string, w io.Writer) *writer {
	return &writer{name: name, to: bufio.NewWriter(w)}
}

// put writes the line of an entry, if there is one. An error of the writer is found by
// flush.
func (w *writer) put(entry string, line []byte, err error) error {
	if err != nil {
		return fmt.Errorf("write entry %q of %s: %w", entry, w.name, err)
	}
	// bufio keeps the first error, and does nothing after it.
	w.to.Write(line)
	w.line = line[:0]
	return nil
}

// user, and its likes below, write an entry. Calls through an interface would have each
// entry allocated.
func (w *writer) user(u account.User) error {
	line, err := u.Append(w.line)
	return w.put(u.Name, line, err)
}

// group writes a line of group.
func (w *writer) group(g account.Group) error {
	line, err := g.Append(w.line)
	return w.put(g.Name, line, err)
}

// shadow writes a line of shadow.
func (w *writer) shadow(s account.Shadow) error {
	line, err := s.Append(w.line)
	return w.put(s.Name, line, err)
}

// groupShadow writes a line of gshadow.
func (w *writer) groupShadow(g account.GroupShadow) error {
	line, err := g.Append(w.line)
	return w.put(g.Name, line, err)
}

// flush ends the writing, which an error may have ended before.
func (w *writer) flush(err error) error {
	if err != nil {
		return err
	}
	if err := w.to.Flush(); err != nil {
		return fmt.Errorf("write %s: %w", w.name, err)
	}
	return nil
}

// merge writes the present entries and the new ones. From the first on that stands for
// accounts of a directory service, they come after the new ones, as they are: what comes
// after them might never be looked at.
func merge[E interface{ Compat() bool }](
	present iter.Seq[E], put, keep func(E) error, add func() error,
) error {
	compat := false
	// Entries are read, written and forgotten one by one.
	for e := range present {
		if !compat && e.Compat() {
			compat, put = true, keep
			if err := add(); err != nil {
				return err
			}
		}
		if err := put(e); err != nil {
			return err
		}
	}
	// Without such entries the new ones come last.
	if compat {
		return nil
	}
	return add()
}

// WritePasswd writes passwd, and says whether it is another one now. Without a change it
// may write nothing at all.
func (p *Plan) WritePasswd(to io.Writer) (changed bool, err error) {
	if !p.touchesUsers() {
		return false, nil
	}
	w := newWriter("passwd", to)
	// No present entry has the name or the id of a new one: the plan saw to that.
	err = merge(slices.Values(p.present.Users()), w.user, w.user, func() error {
		for _, i := range p.newUsers {
			if err := w.user(p.user(i)); err != nil {
				return err
			}
		}
		return nil
	})
	return true, w.flush(err)
}

// user makes a line of passwd, with what is usual for what was left out.
func (p *Plan) user(i *item) account.User {
	u := account.User{
		Name: i.name(), Password: seeShadow, UID: i.uid, GID: i.gid,
		GECOS: i.field(fieldGECOS), Home: i.field(fieldHome), Shell: p.config.shell(i),
	}
	// A service without a home has to start somewhere that exists.
	if u.Home == "" {
		u.Home = "/"
	}
	if shell, ok := p.credential("passwd.shell.", u.Name); ok {
		u.Shell = shell
	}
	return u
}

// credential returns what the credential of a kind says of a user.
func (p *Plan) credential(kind, user string) (string, bool) {
	if p.config.root.Credential == nil {
		return "", false
	}
	return p.config.root.Credential(kind + user)
}

// WriteShadow is WritePasswd for shadow. A user that is only there already is dated anew
// and keeps the rest.
func (p *Plan) WriteShadow(to io.Writer) (changed bool, err error) {
	if !p.touchesUsers() {
		return false, nil
	}
	w := newWriter("shadow", to)
	// Who has a password from before, when passwd lost the user, keeps it.
	there := make([]bool, len(p.newUsers))
	put := func(s account.Shadow) error {
		if i := p.config.users.find(s.Name); i != nil && i.newUser {
			// A second line of one name is a mistake, and not ours to mend.
			if n, _ := p.uids.find(i.uid); !there[n] {
				s.Change, there[n] = p.config.root.Today, true
			}
		}
		return w.shadow(s)
	}
	err = merge(account.Shadows(string(p.shadow)), put, w.shadow, func() error {
		for n, i := range p.newUsers {
			// Its line was written above.
			if there[n] {
				continue
			}
			s, err := p.secret(i)
			if err != nil {
				return err
			}
			if err := w.shadow(s); err != nil {
				return err
			}
		}
		return nil
	})
	return true, w.flush(err)
}

// secret makes a line of shadow. A locked account expired in 1970.
func (p *Plan) secret(i *item) (account.Shadow, error) {
	s := account.Shadow{
		Name: i.name(), Change: p.config.root.Today,
		Min: account.Unset, Max: account.Unset, Warn: account.Unset,
		Inactive: account.Unset, Expire: account.Unset, Flag: account.Unset,
	}
	// Both 0 and 1 are long ago; 0 is taken for "never" by some programs.
	if i.locked {
		s.Expire = 1
	}
	var err error
	s.Password, err = p.password(s.Name)
	return s, err
}

// password takes a hash before a plain password. Without either nobody can log in; only
// root is left for systemd-firstboot to ask for.
func (p *Plan) password(user string) (string, error) {
	if hashed, ok := p.credential("passwd.hashed-password.", user); ok {
		return hashed, nil
	}
	plain, ok := p.credential("passwd.plaintext-password.", user)
	switch {
	// A program that cannot hash must not write the password itself.
	case ok && p.config.root.Hash != nil:
		hashed, err := p.config.root.Hash(plain)
		if err != nil {
			return "", fmt.Errorf("hash the password of user %s: %w", user, err)
		}
		return hashed, nil
	case user == "root":
		return unprovisioned, nil
	default:
		return invalid, nil
	}
}

// WriteGroup is WritePasswd for group.
func (p *Plan) WriteGroup(to io.Writer) (changed bool, err error) {
	if !p.touchesGroups() {
		return false, nil
	}
	w := newWriter("group", to)
	// New groups may get members as well as those there are.
	changed = len(p.newGroups) > 0
	put := func(g account.Group) error {
		var added bool
		// An entry without new members is the same as before.
		g.Members, added = p.join(g.Name, g.Members)
		changed = changed || added
		return w.group(g)
	}
	err = merge(slices.Values(p.present.Groups()), put, w.group, func() error {
		for _, i := range p.newGroups {
			g := account.Group{Name: i.name(), Password: seeShadow, GID: i.gid}
			if err := put(g); err != nil {
				return err
			}
		}
		return nil
	})
	return changed, w.flush(err)
}

// WriteGShadow is WritePasswd for gshadow. A group of a g line that is only there, and
// not in group, is an error: the password of another time would come into force.
func (p *Plan) WriteGShadow(to io.Writer) (changed bool, err error) {
	if !p.touchesGroups() {
		return false, nil
	}
	w := newWriter("gshadow", to)
	changed = len(p.newGroups) > 0
	put := func(g account.GroupShadow) error {
		var added bool
		g.Members, added = p.join(g.Name, g.Members)
		changed = changed || added
		return w.groupShadow(g)
	}
	// Unlike in the other files, entries of a directory service stay where they are.
	for g := range account.GroupShadows(string(p.gshadow)) {
		// A group that only a u line brings gets a second entry, as with systemd.
		if i := p.config.groups.find(g.Name); i != nil && i.newGroup {
			return false, fmt.Errorf("gshadow has group %q, group has not", g.Name)
		}
		if err := put(g); err != nil {
			return false, err
		}
	}
	for _, i := range p.newGroups {
		g := account.GroupShadow{Name: i.name(), Password: invalid}
		if err := put(g); err != nil {
			return false, err
		}
	}
	return changed, w.flush(nil)
}

// join adds the members that m lines bring. With a new one all are sorted.
func (p *Plan) join(group string, present []string) (members []string, added bool) {
	members = present
	for _, user := range p.config.members.users(group) {
		if slices.Contains(members, user) {
			continue
		}
		// The present members belong to the database.
		if !added {
			members, added = slices.Clone(members), true
		}
		members = append(members, user)
	}
	if added {
		// Bytes are compared, whatever the locale.
		slices.Sort(members)
		members = slices.Compact(members)
	}
	return members, added
}
