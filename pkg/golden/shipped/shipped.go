// Package shipped reads the lines of tmpfiles.d(5) and sysusers.d(5) that a tree has in
// its /usr, to know what they make.
//
// Masking and precedence are those of pkg/dropin, without the directories of the
// administrator. Specifiers that have no value before a system runs leave a line out.
// It needs no privileges.
package shipped

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/freshroot/freshroot/pkg/dropin"
	"github.com/freshroot/freshroot/pkg/specifier"
	"github.com/freshroot/freshroot/pkg/sysusers"
	"github.com/freshroot/freshroot/pkg/tmpfiles"
	"github.com/freshroot/freshroot/pkg/words"
)

// own ends the names of the files that a factory build writes.
const own = "freshroot-factory.conf"

// Where a factory build writes. Its lines of tmpfiles.d are read late among their kind,
// so that the vendor's count before them. Those of sysusers.d are read first: a number
// that files in /usr belong to must not be drawn by lot.
const (
	TmpfilesPath = "usr/lib/tmpfiles.d/" + own
	SysusersPath = "usr/lib/sysusers.d/00-" + own
)

// Problem is a line that is broken, or a file that cannot be read, with Line 0.
type Problem struct {
	File string
	Line int
	Err  error
}

// Sysuser is a line of sysusers.d.
type Sysuser struct {
	File string
	Line int
	Type byte
	Name string
	ID   string // "" if it is left open; the group of an m line
}

// Place is "usr/lib/sysusers.d/basic.conf:12".
func (l Sysuser) Place() string { return fmt.Sprintf("%s:%d", l.File, l.Line) }

// Tmpfiles returns the lines of tmpfiles.d, in the order in which they count.
func Tmpfiles(fsys fs.FS) (lines []tmpfiles.Line, broken []Problem, err error) {
	// As at boot, which is the only time at which an image is populated.
	opts := tmpfiles.Options{Boot: true, Lookup: constants}
	unread, err := each(fsys, "tmpfiles.d", func(file string, text []byte) {
		more, problems := tmpfiles.Parse(file, text, opts)
		lines = append(lines, more...)
		for _, p := range problems {
			if p.Class == tmpfiles.Invalid {
				broken = append(broken, Problem{file, p.Number, p.Err})
			}
		}
	})
	return lines, append(broken, unread...), err
}

// Sysusers returns the lines of sysusers.d, in the order in which they count. It is
// pkg/sysusers that judges them.
func Sysusers(fsys fs.FS) (lines []Sysuser, broken []Problem, err error) {
	silent := func(sysusers.Note) {} // notes are about what a root has
	judge := sysusers.New(sysusers.Root{Specifier: constants, Note: silent})
	unread, err := each(fsys, "sysusers.d", func(file string, text []byte) {
		n := 0
		for line := range strings.Lines(string(text)) {
			n++
			line = strings.TrimSpace(line)
			if err := judge.Line(file, uint32(n), line); err != nil {
				broken = append(broken, Problem{file, n, err})
			} else if l, ok := parse(line); ok {
				l.File, l.Line = file, n
				lines = append(lines, l)
			}
		}
	})
	return lines, append(broken, unread...), err
}

// parse reads the fields of a line that is not broken.
func parse(line string) (Sysuser, bool) {
	if line == "" || line[0] == '#' {
		return Sysuser{}, false
	}
	fields, _, err := words.Fields(line, 3, words.Unquote)
	if err != nil || len(fields) < 2 || fields[0] == "" {
		return Sysuser{}, false
	}
	l := Sysuser{Type: fields[0][0], Name: fields[1]}
	if len(fields) == 3 && fields[2] != "-" {
		l.ID = fields[2]
	}
	return l, true
}

// each calls f for each file of a kind of configuration. One that is no file, such as
// a directory with such a name, is the vendor's mistake and does not end it.
func each(
	fsys fs.FS, kind string, f func(file string, text []byte),
) (unread []Problem, err error) {
	dirs := []string{"usr/local/lib/" + kind, "usr/lib/" + kind}
	files, err := dropin.FilesIn(fsys, dirs, ".conf")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := fs.ReadFile(fsys, file.Path)
		if err != nil {
			unread = append(unread, Problem{File: file.Path, Err: err})
			continue
		}
		f(file.Path, text)
	}
	return unread, nil
}

// constants are the specifiers that mean the same on every system. The others are told
// from those that do not exist, which make a line one that is broken.
func constants(letter byte) (string, error) {
	const known = "tSCLTVh"
	values := [...]string{
		"/run", "/var/lib", "/var/cache", "/var/log", "/tmp", "/var/tmp", "/root",
	}
	if i := strings.IndexByte(known, letter); i >= 0 {
		return values[i], nil
	}
	if strings.IndexByte("aAbBgGHlmMoqUuvwW", letter) >= 0 {
		return "", specifier.ErrUnresolved
	}
	return "", specifier.ErrUnknown
}
