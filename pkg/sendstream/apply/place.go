package apply

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

const resolve = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// clean returns the path of a command in its shortest form, "." for the top.
func clean(name string) (string, error) {
	if strings.Contains(name, "\x00") {
		return "", errors.New("a path has a zero byte")
	}
	if strings.HasPrefix(name, "/") || strings.Contains("/"+name+"/", "/../") {
		return "", fmt.Errorf("path %.256q leads out of the tree", name)
	}
	return path.Clean("./" + name), nil
}

// openAt opens what a path of a command leads to.
func (a *receiver) openAt(name string, flags uint64) (int, error) {
	name, err := clean(name)
	if err != nil {
		return -1, err
	}
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC | unix.O_NOFOLLOW, Resolve: resolve}
	return unix.Openat2(a.root, name, &how)
}

// at does something with the last component of a path, in its directory.
func (a *receiver) at(name string, do func(dir int, base string) error) error {
	name, err := clean(name)
	if err != nil {
		return err
	}
	fd, err := a.openAt(path.Dir(name), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return do(fd, path.Base(name))
}

// writable opens a regular file, and keeps it open for the next command. Whatever else has
// the name is not waited for.
func (a *receiver) writable(name string) (int, error) {
	if a.file.fd >= 0 && a.file.path == name {
		return a.file.fd, nil
	}
	a.forget()
	fd, err := a.openAt(name, unix.O_RDWR|unix.O_NONBLOCK)
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return -1, errors.Join(err, errors.New("it is not a regular file"))
	}
	a.file = openFile{name, fd}
	return fd, nil
}

// procPath leads to what a directory has under a name.
func procPath(dir int, base string) string { return fmt.Sprintf("/proc/self/fd/%d/%s", dir, base) }
