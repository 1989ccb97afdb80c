package volatile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/freshroot/freshroot/pkg/subvol"
)

// Homes are the values of freshroot.home=: whether home members are mounted. auto does so
// where /home is persistent.
var Homes = []string{"auto", "none"}

// Home shows a home member of the pool at /home/USER of Root. One that cannot be shown
// does not end the boot.
type Home struct{ Member, User, Root string }

// String names the member and the place where its user finds it.
func (s Home) String() string {
	return fmt.Sprintf("bind %s on %s/home/%s", PoolDir+"/"+s.Member, s.Root, s.User)
}

// homes returns the steps for the home members among the entries of the pool.
func homes(entries []string, o Options) (steps []Step, warnings []string) {
	if o.Home == "none" || o.Mode != No && o.Mode != State {
		return nil, nil
	}
	byUser := map[string][]string{}
	var users []string
	for _, entry := range entries {
		if !strings.HasPrefix(entry, string(subvol.Home)+":") {
			continue
		}
		m, err := subvol.Parse(entry)
		if err != nil {
			continue
		}
		if byUser[m.Name] == nil {
			users = append(users, m.Name)
		}
		byUser[m.Name] = append(byUser[m.Name], entry)
	}
	slices.Sort(users)
	for _, user := range users {
		members := byUser[user]
		if len(members) > 1 {
			slices.Sort(members)
			warnings = append(warnings, fmt.Sprintf(
				"none of %s is mounted: which one is the home of %s?",
				strings.Join(Clip(members), " "), user))
			continue
		}
		steps = append(steps, Home{members[0], user, RootDir})
	}
	return steps, warnings
}
