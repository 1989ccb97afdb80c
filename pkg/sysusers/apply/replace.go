package apply

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// replacer replaces files of /etc, all of them or none.
type replacer struct {
	root, etc *os.File
	staged    []staged
}

// staged is a complete file under a name of its own.
type staged struct{ temporary, name string }

// newReplacer opens /etc once: what is staged there is renamed there.
func newReplacer(root *os.File) (*replacer, error) {
	etc, err := open(root, "etc", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return &replacer{root: root, etc: etc}, nil
}

// close removes what is staged and was not committed.
func (r *replacer) close() {
	// After a commit nothing is left here.
	for _, s := range r.staged {
		unix.Unlinkat(int(r.etc.Fd()), s.temporary, 0)
	}
	r.etc.Close()
}

// stage writes a new file, and a backup of the present one. New files take the rights
// of the present one.
func (r *replacer) stage(name string, mode uint32, write func(io.Writer) error) error {
	flags := unix.O_RDONLY | unix.O_NOCTTY | unix.O_NONBLOCK
	// Nobody has to have a FIFO there; opening one must not wait.
	present, err := open(r.root, "etc/"+name, flags, 0)
	// Without a present file there is nothing to keep, and nothing to back up.
	if errors.Is(err, fs.ErrNotExist) {
		return r.create(name, func(f *os.File) error {
			if err := write(f); err != nil {
				return err
			}
			return unix.Fchmod(int(f.Fd()), mode)
		})
	}
	if err != nil {
		return err
	}
	defer present.Close()
	err = r.create(name+"-", func(f *os.File) error { return r.backUp(f, present) })
	if err != nil {
		return err
	}
	return r.create(name, func(f *os.File) error {
		if err := write(f); err != nil {
			return err
		}
		_, err := copyRights(f, present)
		return err
	})
}

// create stages a file that fill fills.
func (r *replacer) create(name string, fill func(*os.File) error) error {
	f, err := r.temporary(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r.staged = append(r.staged, staged{path.Base(f.Name()), name})
	// It is among those that close removes from here on.
	err = fill(f)
	// A disk that is full may only say so here.
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return fmt.Errorf("make new %s/%s: %w", r.etc.Name(), name, err)
	}
	return nil
}

// temporary makes a file that nobody else reads, with a name that programs which list
// /etc know to pass over.
func (r *replacer) temporary(name string) (*os.File, error) {
	var random [8]byte
	if _, err := unix.Getrandom(random[:], 0); err != nil {
		return nil, fmt.Errorf("get random bytes: %w", err)
	}
	// Nobody can have guessed the name and put a link there: that would be refused.
	name = ".#" + name + hex.EncodeToString(random[:])
	return open(r.etc, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, 0o600)
}

// commit makes the staged files count: the backups, then the others.
func (r *replacer) commit() error {
	for _, backups := range []bool{true, false} {
		// A reader meets old and new files side by side for a moment, as with passwd(1).
		for _, s := range r.staged {
			if strings.HasSuffix(s.name, "-") != backups {
				continue
			}
			etc := int(r.etc.Fd())
			if err := unix.Renameat(etc, s.temporary, etc, s.name); err != nil {
				return fmt.Errorf("replace %s/%s: %w", r.etc.Name(), s.name, err)
			}
		}
	}
	// The names are on the disk only when the directory is.
	r.staged = nil
	// Power may go right after: then the accounts are there that files belong to.
	if err := r.etc.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", r.etc.Name(), err)
	}
	return nil
}

// backUp copies a file with its rights and times.
func (r *replacer) backUp(to, from *os.File) error {
	if _, err := io.Copy(to, from); err != nil {
		return err
	}
	st, err := copyRights(to, from)
	if err != nil {
		return err
	}
	// A backup tells when the accounts were last changed before.
	times := []unix.Timespec{st.Atim, st.Mtim}
	name := path.Base(to.Name())
	return unix.UtimesNanoAt(int(r.etc.Fd()), name, times, unix.AT_SYMLINK_NOFOLLOW)
}
