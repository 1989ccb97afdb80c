package volatile

import "github.com/freshroot/freshroot/pkg/subvol"

// Named returns the golden masters that a name stands for, as freshroot.usr= has it:
// VERSION, VENDOR:VERSION or a full name, with or without its counter. Those of other
// architectures have to be named in full.
func Named(entries []string, name, arch string) (found []string) {
	pinned := parsePin(name)
	if full, err := subvol.Parse(name); err == nil {
		arch = full.Arch
	}
	for _, entry := range entries {
		m, err := subvol.Parse(entry)
		if err == nil && m.Kind == subvol.Usr && m.Arch == arch && pinned.names(&m) {
			found = append(found, entry)
		}
	}
	return found
}

// names says whether the pin is for this very version, not for its vendor only.
func (p pin) names(m *subvol.Member) bool {
	return p.misfit(m) == 0 && (p.version == m.Version || p.any == m.Version)
}

// Pins says whether a pin, as freshroot.usr= has it, is for this very version, not for its
// vendor only.
func Pins(pinned string, m subvol.Member) bool { return parsePin(pinned).names(&m) }
