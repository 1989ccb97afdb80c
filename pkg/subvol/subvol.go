// Package subvol reads and writes the names of the pool's members.
//
// A pool is a btrfs file system whose top level holds named subvolumes:
//
//	usr:VENDOR:ARCH:VERSION[+LEFT[-DONE]]
//	root:NAME:VENDOR:ARCH
//	home:USER:UID:GID
//	runtime:VENDOR:ARCH:VERSION
//	framework:VENDOR:ARCH:VERSION
//	app:VENDOR:RUNTIME:ARCH:VERSION
//
// The package is pure: it knows names, not the subvolumes behind them. A name
// that does not parse is an error here and nothing more; callers leave such
// members alone.
package subvol

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Kind is the first field of a member's name.
type Kind string

// The kinds of members.
const (
	Usr       Kind = "usr"       // a golden master, read-only
	Root      Kind = "root"      // an instance, writable
	Home      Kind = "home"      // a user's home directory
	Runtime   Kind = "runtime"   // libraries for apps, read-only
	Framework Kind = "framework" // a runtime with headers and compilers
	App       Kind = "app"       // an application, read-only
)

// MaxName is the longest name of a member in bytes, the limit of btrfs.
const MaxName = 255

// Member is a parsed name. Fields that its kind does not have are zero.
type Member struct {
	Kind    Kind
	Name    string // of an instance, or of a home's user
	Vendor  string // reverse domain name: org.example.kiosk
	Runtime string // what an app runs on: the last label of a runtime's vendor, or all of it
	Arch    string // systemd's spelling: x86-64
	Version string // without the boot counter
	Tries   Tries
	UID     uint32
	GID     uint32
}

// layouts name the fields behind each kind, in order. The one that a boot reads by
// the thousand comes first.
var layouts = []struct {
	kind   Kind
	fields []string
}{
	{Usr, []string{"vendor", "arch", "version"}},
	{Root, []string{"name", "vendor", "arch"}},
	{Home, []string{"name", "uid", "gid"}},
	{Runtime, []string{"vendor", "arch", "version"}},
	{Framework, []string{"vendor", "arch", "version"}},
	{App, []string{"vendor", "runtime", "arch", "version"}},
}

// layout returns the fields behind a kind, nil if there is no such kind.
func layout(kind Kind) []string {
	for _, l := range layouts {
		if l.kind == kind {
			return l.fields
		}
	}
	return nil
}

// Parse reads the name of a member. The error it returns wraps the reason.
func Parse(name string) (Member, error) {
	var m Member
	if err := m.parse(name); err != nil {
		return Member{}, fmt.Errorf("parse member %.64q: %w", name, err)
	}
	return m, nil
}

// A Parser parses names one after the other. The zero value is ready.
type Parser struct {
	prefix string // of the last golden master's name: all but its version
	last   Member
}

// Parse does what the function of this name does. It is quick where a golden master has
// vendor and architecture of the one before: of such a pool may have ten thousand.
func (p *Parser) Parse(name string) (Member, error) {
	version, same := strings.CutPrefix(name, p.prefix)
	if same && p.prefix != "" && len(name) <= MaxName {
		m := p.last
		if m.set("version", version) == nil {
			return m, nil
		}
	}
	m, err := Parse(name)
	if err == nil && m.Kind == Usr {
		p.prefix, p.last = name[:strings.LastIndexByte(name, ':')+1], m
	}
	return m, err
}

func (m *Member) parse(name string) error {
	if len(name) > MaxName {
		return fmt.Errorf("name is longer than %d bytes", MaxName)
	}
	var values [maxFields]string
	n := split(name, &values)
	m.Kind = Kind(values[0])
	fields := layout(m.Kind)
	if fields == nil {
		return errors.New("not a kind of member")
	}
	if n-1 != len(fields) {
		return fmt.Errorf("%d fields behind %q, want %d (%s)",
			n-1, m.Kind, len(fields), strings.Join(fields, ":"))
	}
	for i, field := range fields {
		if err := m.set(field, values[i+1]); err != nil {
			return fmt.Errorf("%s: %w", field, err)
		}
	}
	return nil
}

// maxFields is how many fields a name has at most, with its kind.
const maxFields = 5

// split splits a name at its colons and returns how many fields there are, of which
// values gets the first ones. It is strings.Split without its memory, for names that
// a boot reads by the thousand.
func split(name string, values *[maxFields]string) (n int) {
	for {
		end := strings.IndexByte(name, ':')
		last := end < 0
		if last {
			end = len(name)
		}
		if n < maxFields {
			values[n] = name[:end]
		}
		n++
		if last {
			return n
		}
		name = name[end+1:]
	}
}

// set parses one field of a name.
func (m *Member) set(field, value string) (err error) {
	switch field {
	case "name":
		m.Name, err = value, checkLabel(value)
	case "vendor":
		m.Vendor, err = value, checkLabel(value)
	case "runtime":
		m.Runtime, err = value, checkLabel(value)
	case "arch":
		m.Arch, err = CanonicalArch(value), checkLabel(value)
	case "uid":
		m.UID, err = parseID(value)
	case "gid":
		m.GID, err = parseID(value)
	case "version":
		m.Version = value
		// Only a golden master boots, so only it is counted.
		if m.Kind == Usr {
			m.Version, m.Tries, err = SplitTries(value)
		}
		if err == nil {
			err = checkVersion(m.Version)
		}
	}
	return err
}

// String returns the member's name in its canonical form.
func (m Member) String() string {
	parts := []string{string(m.Kind)}
	for _, field := range layout(m.Kind) {
		parts = append(parts, m.get(field))
	}
	return strings.Join(parts, ":")
}

func (m Member) get(field string) string {
	switch field {
	case "name":
		return m.Name
	case "vendor":
		return m.Vendor
	case "runtime":
		return m.Runtime
	case "arch":
		return m.Arch
	case "uid":
		return strconv.FormatUint(uint64(m.UID), 10)
	case "gid":
		return strconv.FormatUint(uint64(m.GID), 10)
	}
	return m.Version + m.Tries.String()
}

// labelBytes are safe in a name, a path and a unit; a version may have some more.
var (
	labelBytes   = bytesOf("._-")
	versionBytes = bytesOf("._-~^+")
)

// bytesOf returns the set of letters, digits and punctuation: a pool may have ten
// thousand names, and a boot waits for all of them to be read.
func bytesOf(punctuation string) (set [256]bool) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for _, c := range []byte(letters + "0123456789" + punctuation) {
		set[c] = true
	}
	return set
}

// checkLabel accepts what does not start with a dot.
func checkLabel(s string) error {
	if s != "" && s[0] == '.' {
		return fmt.Errorf("%q starts with a dot", s)
	}
	return checkBytes(s, &labelBytes)
}

func checkVersion(s string) error { return checkBytes(s, &versionBytes) }

func checkBytes(s string, allowed *[256]bool) error {
	if s == "" {
		return errors.New("empty")
	}
	for i := range len(s) {
		if !allowed[s[i]] {
			return fmt.Errorf("%q: byte %q is not allowed", s, s[i])
		}
	}
	return nil
}

// parseID reads a user or group id. 65535 and 4294967295 mean "no id" to the
// kernel (users(7) of systemd, "special users and groups").
func parseID(s string) (uint32, error) {
	id, err := strconv.ParseUint(s, 10, 32)
	switch {
	case err != nil || s != strconv.FormatUint(id, 10):
		return 0, fmt.Errorf("%q is not an id", s)
	case id == 65535 || id == 4294967295:
		return 0, fmt.Errorf("%s means no id", s)
	}
	return uint32(id), nil
}
