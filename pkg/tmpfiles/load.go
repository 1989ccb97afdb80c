package tmpfiles

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/freshroot/freshroot/pkg/dropin"
)

// Kind is the name of the directories that the configuration is in.
const Kind = "tmpfiles.d"

// ExtraCredential is the name of the credential whose lines are read after all others.
const ExtraCredential = "tmpfiles.extra"

// Source is configuration that does not come from one of the directories.
type Source struct {
	Name string // for messages
	io.Reader
}

// Sources say where configuration comes from. Of the zero value, it is from the
// directories of the system.
type Sources struct {
	// Dirs are the directories, relative to the root of the fs.FS, the highest precedence
	// first. Without any, those of the system are meant.
	Dirs []string
	// Given takes the place of what is in the directories. With Replace, the path of a
	// file in one of them, it only takes that of the file, with the file's precedence.
	Given   []Source
	Replace string
}

// Load reads the configuration of a system. It fails only if it cannot tell which files
// there are; of a file that cannot be read there is a problem.
func Load(fsys fs.FS, o Options) (*Config, []Problem, error) {
	return LoadFrom(fsys, Sources{}, o)
}

// LoadFrom is Load for configuration from elsewhere. It fails too if the data for one of
// the lines that are given could not be had, as systemd-tmpfiles does.
func LoadFrom(fsys fs.FS, from Sources, o Options) (*Config, []Problem, error) {
	l := loader{fsys: fsys, o: &o, config: &Config{}}
	before, after, given, err := from.files(fsys)
	if err != nil {
		return nil, nil, err
	}
	l.found(before)
	if given {
		if err := l.given(from.Given); err != nil {
			return nil, l.problems, err
		}
	}
	l.found(after)
	l.extra()
	return l.config, append(l.problems, l.config.Finish()...), nil
}

// files returns the files to be read before and after what is given, and whether that is
// to be read.
func (s Sources) files(fsys fs.FS) (before, after []dropin.File, given bool, err error) {
	dirs := s.Dirs
	if len(dirs) == 0 {
		for _, dir := range dropin.Directories {
			dirs = append(dirs, path.Join(dir, Kind))
		}
	}
	switch {
	case s.Replace != "":
		replaced := strings.TrimPrefix(path.Clean(s.Replace), "/")
		return dropin.Around(fsys, dirs, ".conf", replaced)
	case len(s.Given) > 0:
		return nil, nil, true, nil
	}
	before, err = dropin.FilesIn(fsys, dirs, ".conf")
	return before, nil, false, err
}

// loader adds the lines of files to a Config.
type loader struct {
	fsys     fs.FS
	o        *Options
	config   *Config
	problems []Problem
}

// read adds the lines of one file, and returns what is wrong with them.
func (l *loader) read(name string, r io.Reader) []Problem {
	problems := parse(name, r, l.o, l.config.Add)
	l.problems = append(l.problems, problems...)
	return problems
}

// found reads files from directories. One that went away was not needed.
func (l *loader) found(files []dropin.File) {
	for _, f := range files {
		r, err := l.fsys.Open(f.Path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			l.problems = append(l.problems, Problem{"/" + f.Path, 0, Failed, err})
			continue
		}
		l.read("/"+f.Path, r)
		r.Close()
	}
}

// given reads what takes the place of files. Whoever gives it is told of what failed, and
// nothing is done; what is found may be for another system, and is not in the way.
func (l *loader) given(sources []Source) error {
	for _, s := range sources {
		for _, p := range l.read(s.Name, s) {
			if p.Class == Failed {
				return fmt.Errorf("read configuration: %w", p)
			}
		}
	}
	return nil
}

// extra reads the lines that a credential has. They come last: whoever passes credentials
// may add lines, but not contradict those of the system.
func (l *loader) extra() {
	if l.o.Credential == nil {
		return
	}
	const name = "credential " + ExtraCredential
	data, err := l.o.Credential(ExtraCredential)
	switch {
	case err == nil:
		l.read(name, bytes.NewReader(data))
	case !errors.Is(err, fs.ErrNotExist):
		l.problems = append(l.problems, Problem{name, 0, Failed, err})
	}
}
