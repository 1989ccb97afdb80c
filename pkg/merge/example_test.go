package merge_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/freshroot/freshroot/pkg/merge"
)

// An /etc of three files, of which the vendor and somebody here have changed some.
func ExampleWalk() {
	sides := map[merge.Side]map[string]string{
		merge.Base:   {"hosts": "1", "motd": "1", "ntp": "1"},
		merge.Mine:   {"hosts": "mine", "motd": "1", "ntp": "mine"},
		merge.Theirs: {"hosts": "1", "motd": "2", "ntp": "2"},
	}
	trees := merge.Trees{
		List: func(side merge.Side, dir string) (list []merge.Entry, err error) {
			if dir != "." {
				return nil, errors.New("there are no directories")
			}
			for _, name := range slices.Sorted(maps.Keys(sides[side])) {
				list = append(list, merge.Entry{Name: name, Type: merge.Leaf})
			}
			return list, nil
		},
		Same: func(a, b merge.Side, path string) (bool, error) {
			if path == "." {
				return true, nil
			}
			return sides[a][path] == sides[b][path], nil
		},
	}
	err := merge.Walk(trees, func(a merge.Action) error {
		fmt.Println(a.Op, a.Target())
		return nil
	})
	fmt.Println(err)
	// Output:
	// modified hosts
	// replace motd
	// beside ntp.freshroot-new
	// <nil>
}
