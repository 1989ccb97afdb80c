// Package dropin finds the files of configuration that is spread over directories, as
// that of tmpfiles.d and sysusers.d is.
//
// Of files with the same name, the one in the directory of the highest precedence
// counts, and all others are as if they were not there. One that is empty, or a
// symbolic link to /dev/null, so masks the vendor's file. Files are read in the order
// of their names, whichever directory they are in. It needs no privileges.
//
// See tmpfiles.d(5), "Configuration directories and precedence".
package dropin

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Directories hold directories of configuration, the highest precedence first.
// Callers do not change it.
var Directories = []string{"etc", "run", "usr/local/lib", "usr/lib"}

// File is a file of configuration. Path is relative to the root of the fs.FS.
type File struct{ Name, Path string }

// Files returns the files of a kind ("tmpfiles.d") whose name ends in suffix (".conf"),
// in the order in which they are read. Masked ones, and links to nothing, are not
// among them.
func Files(fsys fs.FS, kind, suffix string) ([]File, error) {
	dirs := make([]string, 0, len(Directories))
	for _, dir := range Directories {
		dirs = append(dirs, path.Join(dir, kind))
	}
	return FilesIn(fsys, dirs, suffix)
}

// FilesIn is Files for other directories, the highest precedence first.
func FilesIn(fsys fs.FS, dirs []string, suffix string) ([]File, error) {
	files, err := list(fsys, dirs, suffix)
	return unmasked(fsys, files), err
}

// Around returns the files that are read before and after the file with a path, for
// configuration that is given in another way but counts as that file, which need not
// exist. Where a file of a higher precedence has its name, even one that masks it, ok is
// false: it does not count, and all files are in before.
func Around(
	fsys fs.FS, dirs []string, suffix, name string,
) (before, after []File, ok bool, err error) {
	files, err := list(fsys, dirs, suffix)
	if err != nil {
		return nil, nil, false, err
	}
	at, found := slices.BinarySearchFunc(files, File{path.Base(name), name}, byName)
	if found && rank(dirs, files[at].Path) < rank(dirs, name) {
		return unmasked(fsys, files), nil, false, nil
	}
	before, after = slices.Clone(files[:at]), files[at:]
	if found {
		after = after[1:]
	}
	return unmasked(fsys, before), unmasked(fsys, after), true, nil
}

// list returns the files that count, also those that mask others.
func list(fsys fs.FS, dirs []string, suffix string) ([]File, error) {
	var files []File
	for _, dir := range dirs {
		entries, err := fs.ReadDir(fsys, dir)
		if err != nil && absent(fsys, dir) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read directory %q: %w", dir, err)
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), suffix) {
				files = append(files, File{e.Name(), path.Join(dir, e.Name())})
			}
		}
	}
	// The sort keeps the order of the directories among files of one name.
	slices.SortStableFunc(files, byName)
	return slices.CompactFunc(files, func(a, b File) bool { return a.Name == b.Name }), nil
}

// absent says whether there is no directory, be it that something else has its name,
// which is as good as none: it must not keep the other directories from being read.
func absent(fsys fs.FS, dir string) bool {
	info, err := fs.Stat(fsys, dir)
	return errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir()
}

func unmasked(fsys fs.FS, files []File) []File {
	return slices.DeleteFunc(files, func(f File) bool { return masked(fsys, f.Path) })
}

// rank is the place of a file's directory among dirs, or after them.
func rank(dirs []string, name string) int {
	if i := slices.Index(dirs, path.Dir(name)); i >= 0 {
		return i
	}
	return len(dirs)
}

// masked says whether a file has nothing in it. A directory, or what cannot be looked
// at, is not masked: reading it says what is wrong.
func masked(fsys fs.FS, name string) bool {
	info, err := fs.Stat(fsys, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true
	case err != nil:
		return false
	}
	return info.Mode().IsRegular() && info.Size() == 0 || info.Mode()&fs.ModeDevice != 0
}

func byName(a, b File) int { return strings.Compare(a.Name, b.Name) }
