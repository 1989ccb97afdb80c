package tmpfiles

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/freshroot/freshroot/pkg/specifier"
	"github.com/freshroot/freshroot/pkg/words"
)

// maxLine is the length of a line that ends the reading of a file: systemd has the same
// bound, and one is needed for what is not configuration at all.
const maxLine = 1 << 20

// maxExpanded is the length up to which specifiers may expand: that of a path.
const maxExpanded = 4095

// errIgnored says that a line is not for here, of which nobody is told.
var errIgnored = errors.New("ignored")

// failure is an error that is not the fault of how a line is written, so that the line
// may be good at another time.
type failure struct{ error }

// Unwrap returns what has failed.
func (f failure) Unwrap() error { return f.error }

// parser reads one line. Its methods fill in the fields of the line, and are called in
// the order in which they stand here.
type parser struct {
	Line
	o *Options

	base64, credential bool
	orphan             bool   // the user or group does not exist
	pairs              string // what a t line sets
	problems           []Problem
}

// Parse reads the lines of a file.
func Parse(file string, data []byte, o Options) ([]Line, []Problem) {
	var list []Line
	problems := parse(file, bytes.NewReader(data), &o, func(l *Line) {
		list = append(list, *l)
	})
	return list, problems
}

// parse calls add for each line that is to be used, which is only valid until add
// returns.
func parse(file string, r io.Reader, o *Options, add func(*Line)) []Problem {
	var (
		p      parser // one for all lines, which are many
		lines  = bufio.NewScanner(r)
		number int
	)
	lines.Buffer(nil, maxLine)
	lines.Split(splitLine)
	for lines.Scan() {
		number++
		text := bytes.Trim(lines.Bytes(), " \t\n\r")
		if len(text) == 0 || text[0] == '#' {
			continue
		}
		p = parser{Line: Line{File: file, Number: number}, o: o, problems: p.problems}
		err := p.parse(string(text))
		switch {
		case err == nil:
			add(&p.Line)
		case err != errIgnored:
			p.problems = append(p.problems, Problem{file, number, classify(err), err})
		}
	}
	if err := lines.Err(); err != nil {
		p.problems = append(p.problems, Problem{file, 0, Failed, err})
	}
	return p.problems
}

// splitLine is a bufio.SplitFunc for lines that end in any of LF, CR and NUL, or in
// several different ones of them, of which NUL is the last.
func splitLine(data []byte, atEOF bool) (advance int, token []byte, err error) {
	n := bytes.IndexAny(data, "\n\r\x00")
	if n < 0 {
		if atEOF && len(data) > 0 {
			return len(data), data, nil
		}
		return 0, nil, nil
	}
	end := n + 1
	for end < len(data) && endsToo(data[n:end], data[end]) {
		end++
	}
	if end == len(data) && !atEOF && end-n < len("\r\n\x00") && data[end-1] != 0 {
		return 0, nil, nil // the next byte may belong to the end of the line
	}
	return end, data[:n], nil
}

// endsToo says whether a byte belongs to the end of a line, as those before it.
func endsToo(before []byte, c byte) bool {
	return (c == '\n' || c == '\r' || c == 0) &&
		bytes.IndexByte(before, c) < 0 && before[len(before)-1] != 0
}

// classify says how bad it is that a line is not used.
func classify(err error) Class {
	var f failure
	switch {
	case errors.Is(err, specifier.ErrUnresolved):
		return Skipped
	case errors.As(err, &f):
		return Failed
	}
	return Invalid
}

// note has something said about a line that is used in spite of it.
func (p *parser) note(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	p.problems = append(p.problems, Problem{p.File, p.Number, Notice, err})
}

// parse reads the line. The order of the steps is that of systemd, since it decides
// whether a line that is wrong is one that is not for here.
func (p *parser) parse(text string) error {
	f, err := p.split(text)
	if err != nil {
		return err
	}
	if err := p.command(f[0]); err != nil {
		return err
	}
	if err := p.path(f[1]); err != nil {
		return err
	}
	if err := p.kind(); err != nil {
		return err
	}
	if err := p.argument(); err != nil {
		return err
	}
	if err := p.owners(f[3], f[4]); err != nil {
		return err
	}
	if err := p.mode(f[2]); err != nil {
		return err
	}
	return p.age(f[5])
}

// split returns the fields before the argument. Those after the path may be left out.
func (p *parser) split(text string) (f [6]string, err error) {
	n := 0
	for ok := true; ok && n < len(f); {
		if f[n], text, ok, err = words.Next(text, words.Unquote|words.Unescape); err != nil {
			return f, fmt.Errorf("split line: %w", err)
		}
		if ok {
			n++
		}
	}
	if n < 2 {
		return f, errors.New("line has no path")
	}
	if !unset(text) {
		p.Argument, p.HasArgument = text, true
	}
	return f, nil
}

// unset says whether a field leaves it to the default.
func unset(field string) bool { return field == "" || field == "-" }

// command reads the type and the modifiers, which come in any order but only once. A line
// that is not for here because of "!" may have anything in its other fields.
func (p *parser) command(s string) error {
	if s == "" {
		return errors.New("line has no type")
	}
	flags := []struct {
		letter byte
		set    *bool
	}{
		{'!', &p.Boot}, {'+', &p.Append}, {'-', &p.Optional}, {'=', &p.Force},
		{'~', &p.base64}, {'^', &p.credential}, {'$', &p.Purge}, {'?', &p.IfExists},
	}
next:
	for i := 1; i < len(s); i++ {
		for _, f := range flags {
			if f.letter == s[i] && !*f.set {
				*f.set = true
				continue next
			}
		}
		return fmt.Errorf("unknown or repeated modifier in %q", s)
	}
	if p.Boot && !p.o.Boot {
		return errIgnored
	}
	p.Type = s[0]
	return nil
}

// kind checks the type, and translates those that are old names of others. That is after
// the path: of a line with a path that has no meaning here the type does not matter.
func (p *parser) kind() error {
	letter := p.Type
	switch letter {
	case 'F':
		p.Type, p.Append = 'f', true
	case 'm':
		p.Type = 'z'
	}
	switch {
	case !p.Is(types):
		return fmt.Errorf("unknown line type %q", string(letter))
	case p.Purge && !p.Is(purgeable):
		return fmt.Errorf("modifier $ is not for lines of type %c", letter)
	case p.IfExists && p.Type != 'L':
		return fmt.Errorf("modifier ? is not for lines of type %c", letter)
	}
	return nil
}

// path reads the path. One below /var/run is the same as one below /run on every system
// with systemd's layout, and is taken for it so that two lines for one file are seen to
// be that.
func (p *parser) path(s string) error {
	path, err := p.expand(s)
	if err != nil {
		return fmt.Errorf("path %q: %w", s, err)
	}
	if below, ok := trimPrefix(path, "/var/run"); ok && below != "" {
		p.note("path %q is below /var/run, a legacy name of /run", path)
		path = "/run/" + below
	}
	if !strings.HasPrefix(path, "/") {
		return fmt.Errorf("path %q is not absolute", path)
	}
	p.Path = clean(path)
	return nil
}

// expand replaces specifiers. What they stand for is bounded by the length of a path, as
// systemd has it, even where the result is the content of a file.
func (p *parser) expand(s string) (string, error) {
	lookup := p.o.Lookup
	if lookup == nil {
		lookup = func(byte) (string, error) { return "", specifier.ErrUnknown }
	}
	s, err := specifier.Expand(s, lookup)
	switch {
	case err == nil && len(s) > maxExpanded:
		return "", failure{fmt.Errorf("more than %d bytes long", maxExpanded)}
	case err != nil && !errors.Is(err, specifier.ErrUnknown):
		return "", failure{err}
	}
	return s, err
}
