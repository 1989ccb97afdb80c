package apply

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/account"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/specifier"
	sysusers "github.com/freshroot/freshroot/pkg/sysusers/apply"
	"github.com/freshroot/freshroot/pkg/tmpfiles"
)

// System answers the questions that a configuration has about the root that it is for.
type System struct {
	root     *os.File
	fsys     fs.FS
	common   specifier.Lookup
	accounts *account.Database // nil until a name has to be resolved
}

// NewSystem returns the answers for a root, which stays open as long as they are used.
// Names are those of the root's own passwd and group, and of nothing else.
func NewSystem(root *os.File) *System {
	return &System{root: root, fsys: rootfs.FS(root), common: sysusers.Specifiers(root)}
}

// Options fills in what is not set.
func (s *System) Options(o tmpfiles.Options) tmpfiles.Options {
	if o.Lookup == nil {
		o.Lookup = s.Lookup
	}
	if o.User == nil {
		o.User = s.User
	}
	if o.Group == nil {
		o.Group = s.Group
	}
	if o.SourceExists == nil {
		o.SourceExists = s.Exists
	}
	return o
}

// Lookup returns what a specifier stands for when root runs the tool.
func (s *System) Lookup(letter byte) (string, error) {
	switch letter {
	case 'C':
		return "/var/cache", nil
	case 'L':
		return "/var/log", nil
	case 'S':
		return "/var/lib", nil
	case 't':
		return "/run", nil
	case 'h':
		return "/root", nil
	case 'u', 'g':
		return "root", nil
	case 'U', 'G':
		return "0", nil
	}
	return s.common(letter)
}

// User returns the number of a user.
func (s *System) User(name string) (uint32, error) {
	if name == "root" { // also where there is no passwd yet
		return 0, nil
	}
	db, err := s.database()
	if err != nil {
		return 0, err
	}
	if user, ok := db.UserByName(name); ok {
		return user.UID, nil
	}
	return 0, &unknownError{"user", name}
}

// Group returns the number of a group.
func (s *System) Group(name string) (uint32, error) {
	if name == "root" {
		return 0, nil
	}
	db, err := s.database()
	if err != nil {
		return 0, err
	}
	if group, ok := db.GroupByName(name); ok {
		return group.GID, nil
	}
	return 0, &unknownError{"group", name}
}

// unknownError says that there is no user or group of a name. To the parser that is
// fs.ErrNotExist, but people would look for a file.
type unknownError struct{ kind, name string }

// Error names what is unknown.
func (e *unknownError) Error() string { return fmt.Sprintf("unknown %s %q", e.kind, e.name) }

// Is makes it fs.ErrNotExist.
func (e *unknownError) Is(target error) bool { return target == fs.ErrNotExist }

// Exists says whether there is something at a path, be it a link to nothing.
func (s *System) Exists(name string) bool {
	// Not by the fs.FS, which knows no names that are not UTF-8.
	how := unix.OpenHow{Flags: pathFlags, Resolve: unix.RESOLVE_IN_ROOT}
	fd, err := unix.Openat2(int(s.root.Fd()), name, &how)
	if err == nil {
		unix.Close(fd)
	}
	return err != unix.ENOENT
}

// database reads the accounts. Those of the vendor, where a system has them below /usr,
// come after those of /etc.
func (s *System) database() (*account.Database, error) {
	if s.accounts != nil {
		return s.accounts, nil
	}
	var texts [2][]byte
	for i, kind := range []string{"passwd", "group"} {
		for _, dir := range []string{"etc", "usr/lib"} {
			text, err := fs.ReadFile(s.fsys, dir+"/"+kind)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("read accounts: %w", err)
			}
			// The last line of a file may not end.
			texts[i] = append(texts[i], bytes.TrimSuffix(text, []byte("\n"))...)
			texts[i] = append(texts[i], '\n')
		}
	}
	s.accounts = account.Parse(texts[0], texts[1])
	return s.accounts, nil
}
