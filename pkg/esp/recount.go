package esp

import (
	"path"
	"slices"

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

// GiveBack returns the plan that gives the entry of a version the last try back, if it
// still has the path that it was counted with. m is the version as the pool has it.
//
// systemd-boot goes on to count the tries made of an entry that has none left, and is
// booted for lack of a better one. Such a boot is no try; it is told from the last one by
// the sum of both numbers, which is what the version began with.
func (s State) GiveBack(m subvol.Member, counted string) Plan {
	p := s.Recount(m, func(t subvol.Tries) subvol.Tries {
		if t.Left == 0 && t.Done > m.Tries.Left+m.Tries.Done {
			return t
		}
		return t.Back()
	})
	p.Ops = slices.DeleteFunc(p.Ops, func(o Op) bool { return o.Path != counted })
	return p
}
