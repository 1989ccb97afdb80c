package tmpfiles_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/specifier"
	"github.com/freshroot/freshroot/pkg/tmpfiles"
)

var errDisk = errors.New("disk is gone")

func lookup(letter byte) (string, error) {
	switch letter {
	case 'T':
		return "/tmp", nil
	case 'm':
		return "", specifier.ErrUnresolved
	case 'b':
		return "", errDisk
	}
	return "", specifier.ErrUnknown
}

func credential(name string) ([]byte, error) {
	switch name {
	case "motd":
		return []byte("aGVsbG8gd29ybGQ="), nil
	case "broken":
		return nil, errDisk
	}
	return nil, fs.ErrNotExist
}

// line returns a line as Parse does for one that only has a type and a path.
func line(letter byte, path string, change func(*tmpfiles.Line)) tmpfiles.Line {
	l := tmpfiles.Line{File: "f", Number: 1, Type: letter, Path: path}
	l.Mode.Bits = l.DefaultMode()
	l.Age.Files, l.Age.Dirs = tmpfiles.DefaultFiles, tmpfiles.DefaultDirs
	if change != nil {
		change(&l)
	}
	return l
}

func argument(s string) func(*tmpfiles.Line) {
	return func(l *tmpfiles.Line) { l.Argument, l.HasArgument = s, true }
}

func appending(change func(*tmpfiles.Line)) func(*tmpfiles.Line) {
	return func(l *tmpfiles.Line) {
		l.Append = true
		change(l)
	}
}

func TestParse(t *testing.T) {
	all := func(l *tmpfiles.Line) {
		l.Append, l.Boot, l.Optional, l.Force, l.Purge = true, true, true, true, true
	}
	for text, want := range map[string]tmpfiles.Line{
		"d /run/x":                 line('d', "/run/x", nil),
		"  d\t/run/x  - - - - -  ": line('d', "/run/x", nil),
		"d+!-=$ /x":                line('d', "/x", all),
		"d$=-!+ /x":                line('d', "/x", all),
		"L? /x - - - - y": line('L', "/x", func(l *tmpfiles.Line) {
			l.IfExists = true
			argument("y")(l)
		}),
		"m /x":                           line('z', "/x", nil),
		"F /x":                           line('f', "/x", func(l *tmpfiles.Line) { l.Append = true }),
		"d //a/./b//":                    line('d', "/a/b", nil),
		"d /../../a/../b/..":             line('d', "/a/../b/..", nil),
		"d /.":                           line('d', "/", nil),
		"d /var/run":                     line('d', "/var/run", nil),
		`d "/a b"`:                       line('d', "/a b", nil),
		`d /%T/%%a`:                      line('d', "/tmp/%a", nil),
		`d /\x41`:                        line('d', "/A", nil),
		"f /x - - - - a b ":              line('f', "/x", argument("a b")),
		`f /x - - - - a\nb%T "q"`:        line('f', "/x", argument("a\nb/tmp \"q\"")),
		"f~ /x - - - - aGVs bG8=":        line('f', "/x", argument("hello")),
		"f^ /x - - - - motd":             line('f', "/x", argument("aGVsbG8gd29ybGQ=")),
		"w+^~ /x - - - - motd":           line('w', "/x", appending(argument("hello world"))),
		"L /x":                           line('L', "/x", argument("/usr/share/factory/x")),
		"L /x - - - - ../y":              line('L', "/x", argument("../y")),
		"C /x - - - - /a//b":             line('C', "/x", argument("/a/b")),
		"C /etc/x":                       line('C', "/etc/x", argument("/usr/share/factory/etc/x")),
		"t /x - - - - user.a=%T 'b=c d'": line('t', "/x", argument("user.a\x00/tmp\x00b\x00c d\x00")),
		"a+ /x - - - - u:ada:rX":         line('a', "/x", appending(argument("u:ada:rX"))),
		"b /x - - - - 07:0x1f": line('b', "/x", func(l *tmpfiles.Line) {
			l.Major, l.Minor = 7, 31
			argument("07:0x1f")(l)
		}),
		"h /x - - - - -iC": line('h', "/x", func(l *tmpfiles.Line) {
			l.Attributes.Mask = 0x800010
			argument("-iC")(l)
		}),
		"H /x - - - - =A": line('H', "/x", func(l *tmpfiles.Line) {
			l.Attributes = tmpfiles.Attributes{Value: 0x80, Mask: 0x208bc0ff}
			argument("=A")(l)
		}),
		"d /x 1777 ada :adm 1d": line('d', "/x", func(l *tmpfiles.Line) {
			l.Mode = tmpfiles.Mode{Set: true, Bits: 0o1777}
			l.User = tmpfiles.Owner{Set: true, Name: "ada", ID: 1000, Numeric: true}
			l.Group = tmpfiles.Owner{Set: true, Name: "adm", ID: 4, Numeric: true, IfNew: true}
			l.Age.Set, l.Age.For = true, 24*time.Hour
		}),
		"e /x :~0700 root 7 ~aM:2m": line('e', "/x", func(l *tmpfiles.Line) {
			l.Mode = tmpfiles.Mode{Set: true, Bits: 0o700, Masked: true, IfNew: true}
			l.User = tmpfiles.Owner{Set: true, Name: "root", Numeric: true}
			l.Group = tmpfiles.Owner{Set: true, Name: "7", ID: 7, Numeric: true}
			l.Age = tmpfiles.Age{
				Set: true, Keep: true, For: 2 * time.Minute,
				Files: tmpfiles.Accessed, Dirs: tmpfiles.Modified,
			}
		}),
	} {
		got, problems := tmpfiles.Parse("f", []byte(text+"\n"), options())
		if diff := cmp.Diff([]tmpfiles.Line{want}, got); diff != "" || problems != nil {
			t.Errorf("%q: %v (-want +got):\n%s", text, problems, diff)
		}
	}
}

func options() tmpfiles.Options {
	ids := map[string]uint32{"ada": 1000, "adm": 4}
	find := func(name string) (uint32, error) {
		if id, ok := ids[name]; ok {
			return id, nil
		}
		return 0, fs.ErrNotExist
	}
	return tmpfiles.Options{
		Boot: true, Lookup: lookup, Credential: credential, User: find, Group: find,
		Exclude:      []string{"/dev"},
		SourceExists: func(path string) bool { return path != "/none" },
	}
}

// TestProblems has one line that is wrong between two that are right.
func TestProblems(t *testing.T) {
	const ignored = tmpfiles.Class(99) // of which nothing is said
	for text, want := range map[string]tmpfiles.Class{
		"d": tmpfiles.Invalid, `"" /x`: tmpfiles.Invalid, "Y /x": tmpfiles.Invalid,
		"d!! /x": tmpfiles.Invalid, "d* /x": tmpfiles.Invalid, "d? /x": tmpfiles.Invalid,
		"z$ /x": tmpfiles.Invalid, "d x": tmpfiles.Invalid, `d "/x`: tmpfiles.Invalid,
		`d /\q`: tmpfiles.Invalid, "d /%z": tmpfiles.Invalid, "d /%m": tmpfiles.Skipped,
		"Y /%m": tmpfiles.Skipped, "d /%b": tmpfiles.Failed,
		"f /" + strings.Repeat("x", 4095): tmpfiles.Failed,
		"d /x 8":                          tmpfiles.Invalid, "d /x 10000": tmpfiles.Invalid,
		"d /x ~": tmpfiles.Invalid, "d /x +7": tmpfiles.Invalid,
		"d /x - bob": tmpfiles.Invalid, "d /x - - bob": tmpfiles.Invalid,
		"d /x - :": tmpfiles.Invalid, "d /x - 65535": tmpfiles.Invalid,
		"d /x - 4294967295": tmpfiles.Invalid, "d /x - 01": tmpfiles.Invalid,
		"d /x - - - x": tmpfiles.Invalid, "d /x - - - q:1": tmpfiles.Invalid,
		"d /x - - - :1": tmpfiles.Invalid, "d /x - - - a:": tmpfiles.Invalid,
		"w /x": tmpfiles.Invalid, "t /x": tmpfiles.Invalid, "a /x": tmpfiles.Invalid,
		"h /x": tmpfiles.Invalid, "c /x": tmpfiles.Invalid,
		"c /x - - - - 1": tmpfiles.Invalid, "c /x - - - - 4096:0": tmpfiles.Invalid,
		"c /x - - - - 1:1048576": tmpfiles.Invalid, "b /x - - - - :1": tmpfiles.Invalid,
		"b /x - - - - 1:1_0": tmpfiles.Invalid, "h /x - - - - +": tmpfiles.Invalid,
		"h /x - - - - q": tmpfiles.Invalid, "C /x - - - - y": tmpfiles.Invalid,
		"L~ /x - - - - y": tmpfiles.Invalid, `f /x - - - - \q`: tmpfiles.Invalid,
		"f /x - - - - %z": tmpfiles.Invalid, "f /x - - - - %m": tmpfiles.Skipped,
		"t /x - - - - a=%m": tmpfiles.Skipped, "f~ /x - - - - ###": tmpfiles.Failed,
		"f^ /x": tmpfiles.Failed, "f^ /x - - - - a/b": tmpfiles.Failed,
		"f^ /x - - - - broken": tmpfiles.Failed, "f^ /x - - - - none": ignored,
		"C /x - - - - /none": ignored, "d /dev/x": ignored, "d //dev": ignored,
		"d /var/run/x": tmpfiles.Notice, "d /x - - - - y": tmpfiles.Notice,
		"t /x - - - - a": tmpfiles.Notice, "t /x - - - - 'a=b": tmpfiles.Notice,
		"a /x - - - - u:ada:": tmpfiles.Notice,
	} {
		data := fmt.Sprintf("d /1\n%s\nd /2", text)
		lines, problems := tmpfiles.Parse("f", []byte(data), options())
		if want == ignored && problems == nil && len(lines) == 2 {
			continue
		}
		used := 2
		if want == tmpfiles.Notice {
			used = 3
		}
		if len(problems) != 1 || problems[0].Class != want || len(lines) != used ||
			!strings.HasPrefix(problems[0].Error(), "f:2: ") {
			t.Errorf("%q: %d lines, problems %v, want class %d", text, len(lines), problems, want)
		}
	}
}

// TestOptions sees which lines are left out without options.
func TestOptions(t *testing.T) {
	const text = "d! /boot\nd /a/b\nd /ab\nd /%T\nf^ /c - - - - motd\nd /x 4755 bob\n"
	for name, tc := range map[string]struct {
		o    tmpfiles.Options
		want string
	}{
		"none":     {tmpfiles.Options{}, "/a/b /ab /x"},
		"boot":     {tmpfiles.Options{Boot: true}, "/boot /a/b /ab /x"},
		"prefix":   {tmpfiles.Options{Prefixes: []string{"/a", "/c"}}, "/a/b"},
		"exclude":  {tmpfiles.Options{Prefixes: []string{"/a", "/x"}, Exclude: []string{"/a/b/"}}, "/x"},
		"graceful": {tmpfiles.Options{Graceful: true, User: options().User}, "/a/b /ab /x"},
		"strict":   {tmpfiles.Options{User: options().User}, "/a/b /ab"},
	} {
		lines, _ := tmpfiles.Parse("f", []byte(text), tc.o)
		var got []string
		for _, l := range lines {
			got = append(got, l.Path)
		}
		if diff := cmp.Diff(tc.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if name == "graceful" && (lines[2].User.Set || lines[2].Mode.Bits != 0o755) {
			t.Errorf("without the owner: %+v", lines[2])
		}
	}
}

// TestLineEnds numbers lines by all the ends that a line may have.
func TestLineEnds(t *testing.T) {
	const text = "d /1\r\nd /2\n\r\x00d /3\rd /4\x00\x00# \n\n d /8 \t\n\nd /10"
	lines, problems := tmpfiles.Parse("f", []byte(text), tmpfiles.Options{})
	var got []string
	for _, l := range lines {
		got = append(got, fmt.Sprintf("/%d", l.Number))
		if l.Path != got[len(got)-1] {
			t.Errorf("line %d is for %s", l.Number, l.Path)
		}
	}
	if len(got) != 6 || problems != nil {
		t.Errorf("lines %v, problems %v", got, problems)
	}
	long := "d /1\nd /" + strings.Repeat("x", 1<<20) + "\nd /3\n"
	lines, problems = tmpfiles.Parse("f", []byte(long), tmpfiles.Options{})
	if len(lines) != 1 || len(problems) != 1 || problems[0].Class != tmpfiles.Failed {
		t.Errorf("a line that is too long: %d lines, problems %v", len(lines), problems)
	}
}

func TestXattrs(t *testing.T) {
	lines, _ := tmpfiles.Parse("f", []byte("t /x - - - - user.a=b=c user.d='e f'"), options())
	want := []tmpfiles.Xattr{{Name: "user.a", Value: "b=c"}, {Name: "user.d", Value: "e f"}}
	if diff := cmp.Diff(want, lines[0].Xattrs()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// FuzzParse sees that what comes out is what an applier may rely on.
func FuzzParse(f *testing.F) {
	f.Add([]byte("d+!-=$ //a/../%T 1777 ada :4 ~aM:1h30min\nC /x\nt /x - - - - a=b\n"))
	f.Add([]byte("h /x - - - - =A\nc /x - - - - 1:2\r\n\x00f~ /x - - - - aGVsbG8=\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		o := options()
		lines, problems := tmpfiles.Parse("f", data, o)
		for _, l := range lines {
			if !strings.HasPrefix(l.Path, "/") || strings.Contains(l.Path+"/", "//") != (l.Path == "/") ||
				strings.Contains(l.Path+"/", "/./") || strings.Contains(l.Path, "\x00") {
				t.Errorf("path %q", l.Path)
			}
			if l.Mode.Bits > 0o7777 || l.Age.For < 0 || l.Number < 1 {
				t.Errorf("line %+v", l)
			}
			l.Xattrs()
		}
		for _, p := range problems {
			if p.Err == nil || p.Error() == "" {
				t.Errorf("problem %+v", p)
			}
		}
	})
}
