package tmpfiles

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/freshroot/freshroot/pkg/acl"
	"github.com/freshroot/freshroot/pkg/words"
)

// Factory is where L and C lines without an argument take their sources from.
const Factory = "/usr/share/factory"

// What the types of lines have in common, by their letters. Types that are in neither of
// the first two lists may have an argument. Where a type is not in the list of those
// whose argument is expanded, what it says is for the program that reads it: an ACL, the
// letters of chattr(1), the number of a device.
const (
	types          = "fwdDevqQpLcbCxXrRzZtThHaA"
	needArgument   = "wcbtTaAhH"
	ignoreArgument = "dDevqQpxXrRzZ"
	expandArgument = "fwLC"
	decodeArgument = "fw" // a credential or base64 takes the place of the argument
	neverBase64    = "LCcbtTaAhH"
	purgeable      = "fwdDevqQpLcbC"
)

// argument reads the argument, after which it is what the line is to use. Only what is
// wrong with how it is written is found in lines for other paths: what it stands for is
// not looked up for them, since that may fail here and now.
func (p *parser) argument() error {
	switch {
	case p.base64 && p.Is(neverBase64):
		return fmt.Errorf("modifier ~ is not for lines of type %c", p.Type)
	case !p.HasArgument && p.Is(needArgument):
		return fmt.Errorf("lines of type %c need an argument", p.Type)
	case p.HasArgument && p.Is(ignoreArgument):
		p.note("lines of type %c take no argument", p.Type)
	}
	if err := p.special(); err != nil {
		return fmt.Errorf("argument %q: %w", p.Argument, err)
	}
	if !p.o.included(p.Path) {
		return errIgnored
	}
	if err := p.replace(); err != nil {
		return fmt.Errorf("argument %q: %w", p.Argument, err)
	}
	if err := p.source(); err != nil {
		return err
	}
	return p.decode()
}

// special reads the arguments that have a syntax of their own. An access control list
// that is wrong makes nothing of the line, but does not make the line wrong: it may name
// what only another version of the system knows.
func (p *parser) special() (err error) {
	switch p.Type {
	case 'b', 'c':
		p.Major, p.Minor, err = parseDevice(p.Argument)
	case 'h', 'H':
		p.Attributes, err = parseAttributes(p.Argument)
	case 'a', 'A':
		if _, bad := acl.Parse(p.Argument); bad != nil {
			p.note("%w", bad)
		}
	}
	return err
}

// replace undoes escapes and replaces specifiers. Base64 has neither. The words before
// the argument have had their escapes undone when they were split; the argument is the
// rest of the line as it is, so that content may have blanks and quotes.
func (p *parser) replace() error {
	var (
		s   = p.Argument
		err error
	)
	switch {
	case p.base64 || !p.HasArgument:
	case p.Is("tT"):
		p.pairs, err = p.xattrs()
	case p.Is(expandArgument):
		if s, err = words.CUnescape(s); err == nil {
			s, err = p.expand(s)
		}
	}
	if err != nil {
		return err
	}
	p.Argument = s
	return nil
}

// xattrs turns words NAME=VALUE into pairs of strings that end in a NUL byte, which
// neither of them can contain. What is no such word is ignored.
func (p *parser) xattrs() (string, error) {
	var b strings.Builder
	for rest := p.Argument; ; {
		word, after, ok, err := words.Next(rest, words.Unquote|words.Unescape)
		if err != nil {
			p.note("extended attributes %q: %w", rest, err)
		}
		if !ok {
			return b.String(), nil
		}
		rest = after
		name, value, _ := strings.Cut(word, "=")
		if name == "" || value == "" {
			p.note("extended attribute %q is not NAME=VALUE", word)
			continue
		}
		for _, s := range []string{name, value} {
			if s, err = p.expand(s); err != nil {
				return "", err
			}
			b.WriteString(s)
			b.WriteByte(0)
		}
	}
}

// source completes what L and C lines take. What a link points to may be relative and
// need not exist, while a copy without a source is meant to be left out: so packages can
// have lines for what not every image has.
func (p *parser) source() error {
	if !p.Is("LC") {
		return nil
	}
	if !p.HasArgument {
		p.Argument, p.HasArgument = Factory+p.Path, true
	}
	if p.Type == 'L' {
		return nil
	}
	if !strings.HasPrefix(p.Argument, "/") {
		return fmt.Errorf("source %q is not absolute", p.Argument)
	}
	p.Argument = clean(p.Argument)
	if p.o.SourceExists != nil && !p.o.SourceExists(p.Argument) {
		return errIgnored
	}
	return nil
}

// decode reads the credential that the argument names, and decodes base64. Types that
// write nothing need the credential as well, but do not use it.
func (p *parser) decode() error {
	data := p.Argument
	if p.credential {
		b, err := p.readCredential()
		if err != nil {
			return err
		}
		data = string(b)
	}
	if p.base64 && (p.HasArgument || p.credential) {
		data = strings.Join(strings.Fields(data), "")
		b, err := base64.StdEncoding.Strict().DecodeString(data)
		if err != nil {
			return failure{fmt.Errorf("decode argument: %w", err)}
		}
		data = string(b)
	}
	switch {
	case p.Is(decodeArgument):
		p.Argument = data
	case p.Is("tT"):
		p.Argument = p.pairs
	}
	return nil
}

// readCredential returns the credential that the argument names.
func (p *parser) readCredential() ([]byte, error) {
	name := p.Argument
	if !validCredential(name) {
		return nil, failure{fmt.Errorf("invalid name of a credential: %q", name)}
	}
	if p.o.Credential == nil {
		return nil, errIgnored
	}
	b, err := p.o.Credential(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errIgnored
	}
	if err != nil {
		return nil, failure{fmt.Errorf("read credential %s: %w", name, err)}
	}
	return b, nil
}

// validCredential says whether a credential may have a name. It has to do for the name of
// a file in one directory, and for one in a list that is separated by colons.
func validCredential(name string) bool {
	for i := range len(name) {
		if c := name[i]; c < ' ' || c >= 0x7f || c == '/' || c == ':' {
			return false
		}
	}
	return name != "" && name != "." && name != ".." && len(name) <= 255
}
