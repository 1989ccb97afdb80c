// Package sysusers decides which users and groups a configuration in the format of
// sysusers.d(5) brings, and writes the new text of passwd, group, shadow and gshadow.
//
// It decides as systemd-sysusers 257 does: the same ids are chosen, in the same order,
// and the files are the same byte for byte. It is pure, with values in and text out; the
// package apply beneath it reads and replaces the files of a root.
//
// What is refused: a line that is not well-formed is reported and left out. A user that
// is there already is never changed, and no file is written whose present entries could
// not be written again as they are.
//
//	c := sysusers.New(root)
//	err := c.Read("/usr/lib/sysusers.d/basic.conf", file)
//	plan, err := c.Plan(files)
//	_, err = plan.WritePasswd(w)
//
// See https://www.freedesktop.org/software/systemd/man/257/sysusers.d.html
package sysusers

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/freshroot/freshroot/pkg/specifier"
)

// maxLine is the longest line that is read; a longer one ends the reading of its file.
const maxLine = 1 << 20

// Root is what the decision has to know of the root that the accounts are for, besides
// its files, and where it says what it does. Only Note is needed always: what is nil
// answers that there is nothing.
type Root struct {
	// Specifier says what a specifier stands for.
	Specifier specifier.Lookup
	// Owner says to whom a file belongs.
	Owner func(path string) (uid, gid uint32, ok bool)
	// Same says whether two paths, which may be one and the same, lead to one file.
	Same func(a, b string) bool
	// User and Group ask who else knows accounts, a directory service for example, by
	// name or by number.
	User, Group func(key string) (name string, id uint32, ok bool)
	// Credential returns the content of a credential.
	Credential func(name string) (content string, ok bool)
	// Hash makes a password of shadow from a plain one.
	Hash func(password string) (string, error)
	// Today counts the days since 1970, for the date of the last change.
	Today int32
	// Note is called with what is worth saying, in the order in which it happens.
	Note func(Note)
}

// Level says how bad a [Note] is.
type Level int

// The levels.
const (
	Info    Level = iota // an account is made
	Warning              // what was asked for is done in another way, or ignored
	Error                // what was asked for is not done
)

// Note is a message for people.
type Note struct {
	Level Level
	Text  string
}

// LineError is a line that cannot be used.
type LineError struct {
	File string
	Line uint32
	Err  error
}

// Error names the line as compilers do.
func (e *LineError) Error() string {
	return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
}

// Unwrap returns the cause.
func (e *LineError) Unwrap() error { return e.Err }

// Config is what has been read of a configuration.
type Config struct {
	root          Root
	files         []string // the names of what was read, for messages
	users, groups items
	members       memberships
	ranges        ranges
}

// New returns an empty configuration for a root.
func New(root Root) *Config {
	c := &Config{root: root}
	c.users.init()
	c.groups.init()
	c.members.init()
	return c
}

// IsEmpty says whether there was no line that can be used.
func (c *Config) IsEmpty() bool { return len(c.files) == 0 }

// Read reads a file of configuration, whose name is for messages. Each line that cannot
// be used is noted; the first of these errors is returned, when all else has been read.
func (c *Config) Read(name string, r io.Reader) error {
	lines := lineReader{r: bufio.NewReader(r)}
	var first error
	for n := uint32(1); ; n++ {
		text, err := lines.next()
		if err == io.EOF {
			return first
		}
		if err != nil {
			err = fmt.Errorf("read %q: %w", name, err)
			c.note(Error, "%v", err)
			return err
		}
		if err := c.Line(name, n, text); err != nil && first == nil {
			first = err
		}
	}
}

// Line takes a single line. Blank ones and comments are passed over.
func (c *Config) Line(file string, n uint32, text string) error {
	text = strings.Trim(text, blank)
	if text == "" || text[0] == '#' {
		return nil
	}
	if err := c.parse(file, n, text); err != nil {
		err = &LineError{file, n, err}
		c.note(Error, "%v", err)
		return err
	}
	return nil
}

func (c *Config) note(level Level, format string, args ...any) {
	c.root.Note(Note{level, fmt.Sprintf(format, args...)})
}

// file returns the number of a file's name. Lines come file by file.
func (c *Config) file(name string) uint32 {
	if n := len(c.files); n == 0 || c.files[n-1] != name {
		c.files = append(c.files, name)
	}
	return uint32(len(c.files) - 1)
}
