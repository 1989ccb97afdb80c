package lint

import (
	"io/fs"
	"os"
	"strings"

	"github.com/freshroot/freshroot/pkg/rootfs"
)

// RunUsr is Run for a tree of which there is only /usr, as a pool has it.
func RunUsr(usr *os.File) ([]Finding, error) { return run(usrOnly{rootfs.FS(usr)}) }

// usrOnly is a tree with nothing but usr.
type usrOnly struct{ usr fs.FS }

// inside is the name of a file below usr.
func (u usrOnly) inside(op, name string) (string, error) {
	below, found := strings.CutPrefix(name+"/", "usr/")
	switch {
	case !found:
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	case below == "":
		return ".", nil
	}
	return strings.TrimSuffix(below, "/"), nil
}

// Open implements fs.FS.
func (u usrOnly) Open(name string) (fs.File, error) {
	name, err := u.inside("open", name)
	if err != nil {
		return nil, err
	}
	return u.usr.Open(name)
}

// ReadDir implements fs.ReadDirFS.
func (u usrOnly) ReadDir(name string) ([]fs.DirEntry, error) {
	name, err := u.inside("open", name)
	if err != nil {
		return nil, err
	}
	return fs.ReadDir(u.usr, name)
}

// ReadFile implements fs.ReadFileFS.
func (u usrOnly) ReadFile(name string) ([]byte, error) {
	name, err := u.inside("open", name)
	if err != nil {
		return nil, err
	}
	return fs.ReadFile(u.usr, name)
}

// Stat implements fs.StatFS.
func (u usrOnly) Stat(name string) (fs.FileInfo, error) {
	name, err := u.inside("stat", name)
	if err != nil {
		return nil, err
	}
	return fs.Stat(u.usr, name)
}

// Lstat implements fs.ReadLinkFS.
func (u usrOnly) Lstat(name string) (fs.FileInfo, error) {
	name, err := u.inside("lstat", name)
	if err != nil {
		return nil, err
	}
	return fs.Lstat(u.usr, name)
}

// ReadLink implements fs.ReadLinkFS.
func (u usrOnly) ReadLink(name string) (string, error) {
	name, err := u.inside("readlink", name)
	if err != nil {
		return "", err
	}
	return fs.ReadLink(u.usr, name)
}
