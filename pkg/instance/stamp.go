package instance

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/version"
)

// Our own names in a part.
const (
	stampName = ".freshroot"
	// scratchName is where things are prepared that must not leave the subvolume. It
	// is there only while they are.
	scratchName = ".freshroot.new"
)

// unknown stands for the version of a part without a stamp, such as one that was
// made by hand.
const unknown = "unknown"

// stamp says which version populated a part. It lies in the part, so that both are
// exchanged by one rename.
type stamp struct {
	version  string // a usr: member without its counter, or unknown
	previous string // the one before, or ""
}

// isOwn says whether a name at the top of a part is ours, and not of its content.
func isOwn(name string) bool { return name == stampName || name == scratchName }

// stampOf reads the stamp of a part that may be missing.
func stampOf(root *os.File, part string) (stamp, error) {
	f, err := rootfs.OpenDir(root, part)
	if errors.Is(err, fs.ErrNotExist) {
		return stamp{version: unknown}, nil
	} else if err != nil {
		return stamp{}, err
	}
	defer f.Close()
	return readStamp(f)
}

// readStamp reads the stamp of a part. One that cannot be understood is none: then the
// part is merged without a base, which loses nothing. It is not trusted: only names are
// accepted that we would write.
func readStamp(part *os.File) (stamp, error) {
	text, err := readSmall(part, stampName, 2*(subvol.MaxName+1))
	if err != nil {
		return stamp{}, err
	}
	first, rest, _ := strings.Cut(text, "\n")
	s := stamp{version: usrName(first)}
	if second, _, has := strings.Cut(rest, "\n"); has {
		s.previous = usrName(second)
	}
	return s, nil
}

// readSmall reads the beginning of a file that is not trusted: a link is not followed, a
// FIFO not waited for. What is missing, or no file, is as good as empty.
func readSmall(dir *os.File, name string, most int) (string, error) {
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	}
	fd, err := unix.Openat2(int(dir.Fd()), name, &how)
	switch err {
	case nil:
	case unix.ENOENT, unix.ELOOP, unix.ENXIO: // none, a link, a socket
		return "", nil
	default:
		return "", fmt.Errorf("open %s/%s: %w", dir.Name(), name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	text := make([]byte, most)
	n, err := io.ReadFull(f, text)
	if err != nil && err != io.ErrUnexpectedEOF { // empty, or a directory
		n = 0
	}
	return string(text[:n]), nil
}

// usrName accepts only canonical names, since they become those of directories; anything
// else is unknown.
func usrName(s string) string {
	m, err := subvol.Parse(s)
	if err != nil || m.Kind != subvol.Usr || m.Tries.Counted || m.String() != s {
		return unknown
	}
	return s
}

// writeStamp puts a stamp into a part, whole or not at all: it is written beside, to the
// disk, and renamed. The scratch name may be left of a boot that was cut short.
func writeStamp(part *os.File, s stamp) error {
	text := s.version + "\n"
	if s.previous != "" {
		text += s.previous + "\n"
	}
	f, err := newFile(part, scratchName, text, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("stamp %s: %w", part.Name(), err)
	}
	return renameat(part, scratchName, part, stampName, 0)
}

// isOlder says whether a version is older than the one of a stamp.
func isOlder(m subvol.Member, than string) bool {
	other, err := subvol.Parse(than)
	return err == nil && version.Compare(m.Version, other.Version) < 0
}
