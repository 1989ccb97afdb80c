package sysusers

import (
	"errors"
	"fmt"
	"strings"

	"github.com/freshroot/freshroot/pkg/specifier"
	"github.com/freshroot/freshroot/pkg/words"
)

// The longest that fields may be when their specifiers are replaced.
const (
	maxName = 255
	maxPath = 4095
)

// errNoRoom keeps a specifier from making a field that no file system would take.
var errNoRoom = errors.New("name too long")

// columns are the fields of a line after the first one.
type columns struct{ name, id, gecos, home, shell string }

// parse takes a line that is neither blank nor a comment.
func (c *Config) parse(file string, n uint32, text string) error {
	fields, err := split(text)
	if err != nil {
		return err
	}
	kind, locked, err := action(fields[0])
	if err != nil {
		return err
	}
	// Whether a field is there is seen before its specifiers are replaced by nothing.
	extra := extras(fields)
	if err := c.expand((*[5]string)(fields[1:])); err != nil {
		return err
	}
	cols := columns{fields[1], fields[2], fields[3], fields[4], fields[5]}
	switch {
	// Only a user can be locked: a group has nobody who could log in.
	case locked && kind != 'u':
		return fmt.Errorf("lines of type '%c' take no '!'", kind)
	case kind == 'u':
		return c.user(cols, item{file: c.file(file), line: n, locked: locked})
	// A field in the wrong kind of line is most likely a line of another kind.
	case extra != "":
		return fmt.Errorf("lines of type '%c' take no %s", kind, extra)
	case kind == 'g':
		return c.group(cols, item{file: c.file(file), line: n})
	case kind == 'm':
		return c.member(cols)
	default:
		return c.span(cols)
	}
}

// split cuts a line into its columns, and empties those that a dash leaves out.
func split(text string) (fields [6]string, err error) {
	n, rest := 0, text
	// A word that is quoted may be empty, which is not the same as a dash or nothing.
	for ; n < len(fields); n++ {
		var ok bool
		if fields[n], rest, ok, err = words.Next(rest, words.Unquote); err != nil {
			return fields, fmt.Errorf("not well-formed: %w", err)
		}
		if !ok {
			break
		}
		if n > 0 && fields[n] == "-" {
			fields[n] = ""
		}
	}
	// A line with a type and nothing else is no line: each type needs something.
	switch {
	case n < 2:
		return fields, errors.New("needs a type and a name")
	case rest != "":
		return fields, fmt.Errorf("too many fields: %q", rest)
	}
	return fields, nil
}

// extras names the first of the fields there is that only users have.
func extras(fields [6]string) string {
	// The first three are the type, the name and the id, which all kinds have.
	for i := 3; i < len(fields); i++ {
		if fields[i] != "" {
			return rules[i-1].what
		}
	}
	return ""
}

// action reads the first column: a type, and perhaps an exclamation mark.
func action(s string) (kind byte, locked bool, err error) {
	if s == "" {
		return 0, false, errors.New("empty type")
	}
	// Systemd reads one sign; a second one is as unknown as any other.
	if modifiers := s[1:]; modifiers != "" && modifiers != "!" {
		return 0, false, fmt.Errorf("unknown modifiers in %q", s)
	}
	if !strings.ContainsRune("ugmr", rune(s[0])) {
		return 0, false, fmt.Errorf("unknown type %q", s[:1])
	}
	return s[0], len(s) > 1, nil
}

// rules say how each of the columns after the first one is checked.
var rules = [...]struct {
	what  string
	max   int
	path  bool
	valid func(string) bool
}{
	{"name", maxName, false, ValidName},
	{"id", maxPath, false, notEmpty},
	{"GECOS field", maxLine, false, validGECOS},
	{"home directory", maxPath, true, validHome},
	{"shell", maxPath, true, validShell},
}

// expand replaces specifiers, and checks what means the same in all lines.
func (c *Config) expand(fields *[5]string) error {
	for i, rule := range rules {
		if fields[i] == "" {
			continue
		}
		// Without specifiers nothing is copied here.
		value, err := specifier.Expand(fields[i], c.root.Specifier)
		if err == nil && len(value) > rule.max {
			err = errNoRoom
		}
		if err != nil {
			return fmt.Errorf("replace specifiers in %q: %w", fields[i], err)
		}
		// Paths are compared, so they have one form.
		if rule.path {
			value = simplify(value)
		}
		if !rule.valid(value) {
			return fmt.Errorf("%q is no valid %s", value, rule.what)
		}
		// From here on the field is what goes into the files.
		fields[i] = value
	}
	return nil
}

// notEmpty refuses an id that was nothing but specifiers without a value.
func notEmpty(s string) bool { return s != "" }

// span takes an r line.
func (c *Config) span(cols columns) error {
	switch {
	case cols.name != "":
		return errors.New("lines of type 'r' take no name")
	case cols.id == "":
		return errors.New("lines of type 'r' need a range in the third field")
	}
	return c.ranges.parse(cols.id)
}

// member takes an m line.
func (c *Config) member(cols columns) error {
	switch {
	case cols.name == "":
		return errors.New("lines of type 'm' need a user in the second field")
	case cols.id == "":
		return errors.New("lines of type 'm' need a group in the third field")
	case !ValidName(cols.id):
		return fmt.Errorf("%q is no valid name", cols.id)
	}
	// One string for both, which does not hold the whole line.
	both := record(cols.name, cols.id)
	c.members.add(both[len(cols.name)+1:], both[:len(cols.name)])
	return nil
}

// group takes a g line.
func (c *Config) group(cols columns, i item) (err error) {
	if cols.name == "" {
		return errors.New("lines of type 'g' need a name in the second field")
	}
	path := ""
	switch {
	case strings.HasPrefix(cols.id, "/"):
		path = simplify(cols.id)
	case cols.id != "":
		// Unlike that of a user, it may be any there is, 0 too.
		if i.gid, err = parseID(cols.id); err != nil {
			return err
		}
		i.gidSet = true
	}
	// A group has no group.
	i.record = record(cols.name, "", path)
	c.put(&c.groups, i, sameGroup)
	return nil
}

// user takes a u line.
func (c *Config) user(cols columns, i item) error {
	if cols.name == "" {
		return errors.New("lines of type 'u' need a name in the second field")
	}
	group, path := "", ""
	// The owner of a file is asked for later, when it is known that an id is needed.
	if strings.HasPrefix(cols.id, "/") {
		path = simplify(cols.id)
	} else if cols.id != "" {
		var err error
		if group, err = i.parseIDs(cols.id); err != nil {
			return err
		}
	}
	i.record = record(cols.name, group, path, cols.gecos, cols.home, cols.shell)
	c.put(&c.users, i, c.sameUser)
	return nil
}

// parseIDs reads UID, UID:GID and UID:GROUP, where UID may be a dash.
func (i *item) parseIDs(ids string) (group string, err error) {
	// What is no number may be a name; what is a bad number is neither.
	uid, gid, both := strings.Cut(ids, ":")
	if both {
		i.gid, err = parseID(gid)
		switch {
		case err == nil:
			i.gidSet, i.strict = true, true
		case ValidName(gid):
			group = gid
		default:
			return "", err
		}
	}
	// The group may be given, and the user free to choose.
	if uid == "-" {
		return group, nil
	}
	i.uid, err = parseID(uid)
	i.uidSet = true
	return group, err
}

// put adds an item, unless there is one of its name: the first one counts.
func (c *Config) put(l *items, i item, same func(a, b *item) bool) {
	// The same line in two files is common, and no reason to complain.
	there := l.find(i.name())
	if there == nil {
		l.add(i)
		return
	}
	if later := i; !same(&later, there) {
		c.note(Warning, "%s:%d: conflicts with %s:%d, which comes first; ignored",
			c.files[i.file], i.line, c.files[there.file], there.line)
	}
}

// sameGroup says that two lines ask for the same group.
func sameGroup(a, b *item) bool {
	// An id that is not set is 0 in both.
	return a.record == b.record && a.gidSet == b.gidSet && a.gid == b.gid
}

// sameUser leaves out what systemd-sysusers leaves out too: a group by name, and '!'.
func (c *Config) sameUser(a, b *item) bool {
	// These are the same to the byte: paths were simplified before.
	for _, field := range []int{fieldPath, fieldGECOS, fieldHome} {
		if a.field(field) != b.field(field) {
			return false
		}
	}
	return a.uidSet == b.uidSet && a.uid == b.uid &&
		a.gidSet == b.gidSet && a.gid == b.gid && c.sameShell(c.shell(a), c.shell(b))
}
