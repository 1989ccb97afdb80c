package esp

import (
	"io/fs"
	"slices"
	"strings"

	"github.com/freshroot/freshroot/pkg/bls"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// pinKey is the kernel option by which an entry names its golden master.
const pinKey = "freshroot.usr="

// id is what tells versions apart, whatever their counters.
type id struct{ vendor, version string }

func idOf(m subvol.Member) id { return id{m.Vendor, m.Version} }

func (e Entry) id() id { return id{e.Vendor, e.Version} }

// path is where a file of the version is.
func (i id) path(name string) string {
	return strings.Join([]string{dir, bls.Safe(i.vendor), bls.Safe(i.version), name}, "/")
}

// pin is the kernel option that names the version.
func (i id) pin() string { return pinKey + i.vendor + ":" + i.version }

// cmdline returns the kernel's options with the pin, which comes first.
func (v Version) cmdline() string {
	return bls.Line(idOf(v.Usr).pin() + " " + bls.Line(v.Options))
}

// parsePin reads options that cmdline returned.
func parsePin(cmdline string) (e Entry, ours bool) {
	first, rest, _ := strings.Cut(strings.TrimSpace(cmdline), " ")
	value, found := strings.CutPrefix(first, pinKey)
	vendor, version, both := strings.Cut(value, ":")
	e = Entry{Vendor: vendor, Version: version, Options: strings.TrimSpace(rest)}
	return e, found && both
}

// sortedNames returns the names of a directory's entries.
func sortedNames(entries []fs.DirEntry) []string {
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}
