package esp

import (
	"path"

	"github.com/freshroot/freshroot/pkg/bls"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// Recount returns the plan that gives the entries of a version another counter: none
// when it has booted well, a spent one when it shall not be booted.
func (s State) Recount(m subvol.Member, change func(subvol.Tries) subvol.Tries) (p Plan) {
	for _, e := range s.Entries {
		if e.id() != idOf(m) || isMenu(e.Path) {
			continue
		}
		name, err := bls.ParseName(path.Base(e.Path))
		if err != nil {
			continue // which Look would have said is not ours
		}
		name.Tries = change(name.Tries)
		if to := path.Join(path.Dir(e.Path), name.String()); to != e.Path {
			p.Ops = append(p.Ops, Op{Do: Move, Path: e.Path, To: to})
		}
	}
	return p
}
