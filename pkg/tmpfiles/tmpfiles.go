// Package tmpfiles reads tmpfiles.d configuration: bytes in, values out.
//
// It knows every line type and modifier of systemd 257, also the undocumented F and m,
// which it turns into f+ and z. A Config has the lines of all files, without those that
// contradict an earlier one, in the order in which systemd-tmpfiles applies them.
//
// A line that is wrong is reported with its file and number, and the others are used.
// What a line is about is neither looked up nor touched: names of users, credentials and
// sources of copies are resolved by the functions in Options, so that the package needs
// no privileges and imports no os.
//
// See tmpfiles.d(5) and systemd-tmpfiles(8).
package tmpfiles

import (
	"fmt"
	"strings"
	"time"

	"github.com/freshroot/freshroot/pkg/specifier"
)

// Line is one line of configuration. It is plain data: Argument has had its escapes and
// specifiers replaced, has been decoded from base64 and read from a credential where the
// line asks for it, and names the factory where L and C lines leave it out.
type Line struct {
	File   string // that it is in, for messages
	Number int

	Type     byte // one of "fwdDevqQpLcbCxXrRzZtThHaA"
	Append   bool // +
	Boot     bool // !
	Optional bool // -: failures are ignored
	Force    bool // =: what has the wrong type is removed
	Purge    bool // $
	IfExists bool // ?: only if the target of a link exists

	// Path is absolute and clean. For types that take globs it is a pattern.
	Path        string
	Mode        Mode
	User, Group Owner
	Age         Age
	Argument    string
	HasArgument bool

	Major, Minor uint32     // of b and c
	Attributes   Attributes // of h and H
}

// Mode is the access mode of a line.
type Mode struct {
	Set    bool   // else Bits is the default of the line's type
	Bits   uint32 // of at most 0o7777
	Masked bool   // ~: only the bits that the existing mode does not speak against
	IfNew  bool   // ":": only for what is made, not for what is there already
}

// Owner is the user or group of a line.
type Owner struct {
	Set     bool
	Name    string // as written, without ":"
	ID      uint32 // if Numeric
	Numeric bool   // ID is known: the name is a number, or Options resolved it
	IfNew   bool   // ":", as of Mode
}

// Age says when cleaning removes something.
type Age struct {
	Set   bool
	Keep  bool          // ~: what is directly in the directory stays
	For   time.Duration // Forever for "infinity"
	Files Times         // that have to be older, all of them
	Dirs  Times
}

// Forever is the age that nothing reaches.
const Forever time.Duration = 1<<63 - 1

// Times are the times of an inode.
type Times uint8

// The times, and which of them count if a line does not say it.
const (
	Accessed Times = 1 << iota
	Born
	Changed // the inode
	Modified

	DefaultFiles = Accessed | Born | Changed | Modified
	DefaultDirs  = Accessed | Born | Modified
)

// Attributes are FS_IOC_SETFLAGS flags: those in Mask are to be as in Value.
type Attributes struct{ Value, Mask uint32 }

// Xattr is an extended attribute.
type Xattr struct{ Name, Value string }

// Class says what a problem means for the line and for the exit status.
type Class uint8

const (
	// Notice is for a line that is used, or is left out in favour of another one. It
	// does not change the exit status.
	Notice Class = iota
	// Skipped is for a line that has no meaning here, as without a machine ID. It does
	// not change the exit status.
	Skipped
	// Invalid is for a line that is wrong: exit status 65 (EX_DATAERR).
	Invalid
	// Failed is for a line whose data could not be had, or a file that could not be
	// read. As systemd-tmpfiles ignores that in the files that it finds by itself, it does
	// not change the exit status either: for those that are given LoadFrom fails.
	Failed
)

// Problem is what is to be said about a line.
type Problem struct {
	File   string
	Number int // 0 for the file as a whole
	Class  Class
	Err    error
}

// Error says where the problem is, and what.
func (p Problem) Error() string {
	if p.Number == 0 {
		return fmt.Sprintf("read %s: %v", p.File, p.Err)
	}
	return fmt.Sprintf("%s:%d: %v", p.File, p.Number, p.Err)
}

// Unwrap returns the cause.
func (p Problem) Unwrap() error { return p.Err }

// Options are what a line is read with. All of them may be left out.
type Options struct {
	Boot     bool // use lines with !
	Graceful bool // a user or group that does not exist is left as it is

	// Prefixes are those that the paths must have, if there are any; paths with one of
	// Exclude are left out in any case.
	Prefixes, Exclude []string

	// Lookup resolves specifiers. Without it there are none.
	Lookup specifier.Lookup
	// User and Group return the number of a name, for systemd takes the next line for a
	// path where it does not know the owner of the first. Without them, names are left
	// for later, and only numbers are resolved.
	User, Group func(name string) (uint32, error)
	// Credential returns a credential; an error that is fs.ErrNotExist has the line left
	// out. Without it there are none.
	Credential func(name string) ([]byte, error)
	// SourceExists says whether there is a source of a C line, which is left out if
	// not. Without it, all are taken to exist.
	SourceExists func(path string) bool
}

// Is says whether the type of the line is one of these.
func (l *Line) Is(types string) bool { return strings.IndexByte(types, l.Type) >= 0 }

// Glob says whether Path is a pattern.
func (l *Line) Glob() bool { return isGlob(l.Type) }

// Directory says whether the line makes a directory or subvolume.
func (l *Line) Directory() bool { return isDirectory(l.Type) }

func isGlob(letter byte) bool { return strings.IndexByte("wetTaAhHxXrRzZ", letter) >= 0 }

// owns says whether a line makes, writes, ignores or removes something as a whole, so
// that no other line for the same path may differ. The others adjust what is there.
func owns(letter byte) bool { return strings.IndexByte("fdDvqQpLcbCwexXrR", letter) >= 0 }

func isDirectory(letter byte) bool { return strings.IndexByte("dDvqQ", letter) >= 0 }

// Xattrs returns the extended attributes that a t or T line sets.
func (l *Line) Xattrs() []Xattr {
	var list []Xattr
	for rest := l.Argument; rest != ""; {
		var x Xattr
		x.Name, rest, _ = strings.Cut(rest, "\x00")
		x.Value, rest, _ = strings.Cut(rest, "\x00")
		list = append(list, x)
	}
	return list
}
