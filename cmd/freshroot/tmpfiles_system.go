package main

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/freshroot/freshroot/pkg/dropin"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/specifier"
	"github.com/freshroot/freshroot/pkg/tmpfiles"
	"github.com/freshroot/freshroot/pkg/tmpfiles/apply"
)

// tmpfilesSystem is where lines come from, and what they mean, for a root or a user.
type tmpfilesSystem struct {
	*apply.System
	fsys   fs.FS
	dirs   []string // of configuration, relative to the root
	online bool     // it is the root of this system
	lookup specifier.Lookup
}

func newTmpfilesSystem(root *os.File, ofUser bool) (*tmpfilesSystem, error) {
	s := &tmpfilesSystem{
		System: apply.NewSystem(root), fsys: rootfs.FS(root), online: root.Name() == "/",
	}
	for _, dir := range dropin.Directories {
		s.dirs = append(s.dirs, dir+"/"+tmpfiles.Kind)
	}
	if !ofUser {
		s.lookup = s.System.Lookup
		return s, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, err
	}
	s.dirs = userDirs(home)
	s.lookup = func(letter byte) (string, error) { return s.userSpecifier(home, letter) }
	return s, nil
}

// userDirs are the directories of a user's own configuration and of that for all users.
func userDirs(home string) (dirs []string) {
	list := []string{xdg("XDG_CONFIG_HOME", home+"/.config")}
	list = append(list, xdgList("XDG_CONFIG_DIRS", "/etc/xdg")...)
	list = append(list, os.Getenv("XDG_RUNTIME_DIR"), xdg("XDG_DATA_HOME", home+"/.local/share"))
	list = append(list, xdgList("XDG_DATA_DIRS", "/usr/local/share:/usr/share")...)
	for _, dir := range list {
		if filepath.IsAbs(dir) {
			dir = filepath.Join(dir, "user-"+tmpfiles.Kind)
			dirs = append(dirs, strings.TrimPrefix(dir, "/"))
		}
	}
	return dirs
}

// xdg returns the directory that a variable names, or the one that the specification
// names otherwise.
func xdg(variable, otherwise string) string {
	if dir := os.Getenv(variable); filepath.IsAbs(dir) {
		return dir
	}
	return otherwise
}

func xdgList(variable, otherwise string) []string {
	list := os.Getenv(variable)
	if list == "" {
		list = otherwise
	}
	return filepath.SplitList(list)
}

// userSpecifier returns what a specifier stands for when a user runs the tool.
func (s *tmpfilesSystem) userSpecifier(home string, letter byte) (string, error) {
	switch letter {
	case 'h':
		return home, nil
	case 'C':
		return xdg("XDG_CACHE_HOME", home+"/.cache"), nil
	case 'S':
		return xdg("XDG_STATE_HOME", home+"/.local/state"), nil
	case 'L':
		return xdg("XDG_STATE_HOME", home+"/.local/state") + "/log", nil
	case 't':
		if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
			return dir, nil
		}
		return "", specifier.ErrUnresolved
	case 'U':
		return strconv.Itoa(os.Getuid()), nil
	case 'G':
		return strconv.Itoa(os.Getgid()), nil
	case 'u', 'g':
		return ownName(letter)
	}
	return s.System.Lookup(letter)
}

// ownName returns the name of the user, u, or of the user's group, g.
func ownName(letter byte) (string, error) {
	if letter == 'u' {
		u, err := user.LookupId(strconv.Itoa(os.Getuid()))
		if err != nil {
			return "", err
		}
		return u.Username, nil
	}
	g, err := user.LookupGroupId(strconv.Itoa(os.Getgid()))
	if err != nil {
		return "", err
	}
	return g.Name, nil
}

func (s *tmpfilesSystem) user(name string) (uint32, error) {
	id, err := s.System.User(name)
	return s.orAsk(id, err, "passwd", name)
}

func (s *tmpfilesSystem) group(name string) (uint32, error) {
	id, err := s.System.Group(name)
	return s.orAsk(id, err, "group", name)
}

// orAsk asks the C library for a name that is not in the files, as systemd does on the
// running system: it may be known to LDAP or to systemd itself.
func (s *tmpfilesSystem) orAsk(id uint32, err error, database, name string) (uint32, error) {
	if !s.online || !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	if _, id, ok := getent(database)(name); ok {
		return id, nil
	}
	return 0, err
}
