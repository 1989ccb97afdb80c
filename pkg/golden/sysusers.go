package golden

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/freshroot/freshroot/pkg/account"
	"github.com/freshroot/freshroot/pkg/golden/shipped"
)

// fixed are the numbers and memberships that the vendor's lines settle. What is settled
// with another number than the tree has is not contradicted: systemd follows the vendor,
// and who is right is for the check of the factory to say.
type fixed struct {
	users, groups map[string]bool
	members       map[[2]string]bool
}

func whatIsFixed(lines []shipped.Sysuser) fixed {
	f := fixed{map[string]bool{}, map[string]bool{}, map[[2]string]bool{}}
	for _, l := range lines {
		number, group, other := strings.Cut(l.ID, ":")
		_, err := strconv.ParseUint(number, 10, 32)
		switch {
		case l.File == shipped.SysusersPath:
		case l.Type == 'm':
			f.members[[2]string{l.Name, l.ID}] = true
		case err != nil:
		case l.Type == 'g':
			f.groups[l.Name] = true
		case l.Type == 'u':
			f.users[l.Name] = true
			// With one number it is that of a group of the same name, too.
			f.groups[l.Name] = f.groups[l.Name] || !other || group == l.Name
		}
	}
	return f
}

// sysusers makes the lines of sysusers.d for users and groups whose numbers the
// vendor's lines leave open, or that they do not make. Each user has a group by number
// and no name, so each group needs a line of its own.
func sysusers(a *account.Database, lines []shipped.Sysuser) string {
	var b strings.Builder
	f := whatIsFixed(lines)
	for _, g := range a.Groups() {
		if !f.groups[g.Name] && !g.Compat() {
			fmt.Fprintf(&b, "g %s %d\n", field(g.Name), g.GID)
		}
	}
	for _, u := range a.Users() {
		if !f.users[u.Name] && !u.Compat() {
			fmt.Fprintf(&b, "u %s %d:%d %s %s %s\n", field(u.Name), u.UID, u.GID,
				field(u.GECOS), field(u.Home), field(u.Shell))
		}
	}
	for _, g := range a.Groups() {
		for _, name := range g.Members {
			if _, ok := a.UserByName(name); ok && !f.members[[2]string{name, g.Name}] {
				fmt.Fprintf(&b, "m %s %s\n", field(name), field(g.Name))
			}
		}
	}
	return b.String()
}

// field is a field that may be left open. The grammar is not that of tmpfiles.d: it has
// quotes, and no escapes but a backslash before what has a meaning.
func field(text string) string {
	if text == "" {
		return "-"
	}
	if text == escape(text) {
		return text
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%").Replace(text) + `"`
}
