package apply

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/tmpfiles"
)

// maxSweep is how deep systemd goes down when it removes things.
const maxSweep = 256

// sweep removes what is below a directory: all of it, or what has become old.
type sweep struct {
	path   string
	fd     int
	self   unix.Statx_t
	mount  bool // path is where a file system is mounted
	depth  int
	keep   bool // leave what is directly in here
	aged   bool // else all goes
	stamp  bool // give the directory its times back afterwards
	cutoff time.Time
	files  tmpfiles.Times
	dirs   tmpfiles.Times
}

// close also gives up the lock.
func (s *sweep) close() { unix.Close(s.fd) }

// openSweep opens a directory. A symbolic link is none.
func (a *applier) openSweep(l *tmpfiles.Line, path string) (*sweep, error) {
	n, err := a.tree.open(path, route{})
	if err != nil {
		return nil, err
	}
	defer n.close()
	if !n.isDir() {
		return nil, unix.ENOTDIR
	}
	// Opened again, to be read: the first look must not trigger anything.
	s := &sweep{path: path, files: l.Age.Files, dirs: l.Age.Dirs}
	if s.fd, err = list(n.fd, "."); err != nil {
		return nil, err
	}
	err = unix.Statx(s.fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS, &s.self)
	if err != nil {
		s.close()
		return nil, err
	}
	s.mount = mounted(&s.self)
	return s, nil
}

// clean removes what has become old below the directories of a line.
func (a *applier) clean(l *tmpfiles.Line) error {
	if !l.Age.Set || !l.Directory() && !l.Is("CexX") {
		return nil
	}
	if !l.Glob() {
		// What goes wrong is reported, and systemd does not call it a failure here.
		_ = a.cleanOne(l, l.Path)
		return nil
	}
	return a.each(l.Path, func(path string) error { return a.cleanOne(l, path) })
}

// cleanOne cleans a directory. Nothing is older than an age that goes back before 1970.
func (a *applier) cleanOne(l *tmpfiles.Line, path string) error {
	if l.Age.For > time.Duration(a.now.UnixNano()) {
		return nil
	}
	s, err := a.openSweep(l, path)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return nil
	case err != nil:
		return a.fail("open directory", path, err)
	}
	defer s.close()
	s.aged, s.stamp, s.keep = true, true, l.Age.Keep
	s.cutoff = a.now.Add(-l.Age.For)
	return a.sweepAll(s)
}

// sweepAll removes the entries of a directory that have to go. It goes on after an
// error, and returns the last, as it says each.
func (a *applier) sweepAll(s *sweep) error {
	var last error
	removed := false
	for name, err := range entries(s.fd) {
		if err != nil {
			return a.fail("read directory", s.path, err)
		}
		gone, err := a.sweepEntry(s, name)
		if err != nil {
			last = err
		}
		removed = removed || gone
	}
	if removed {
		a.tree.forget()
	}
	// A name less is no use of the directory.
	if removed && s.stamp && !a.dry() {
		a.restoreTimes(s)
	}
	return last
}

// restoreTimes gives a directory the times back that it had: else it would never get
// old when things in it do.
func (a *applier) restoreTimes(s *sweep) {
	stamps := []unix.Timespec{timespec(s.self.Atime), timespec(s.self.Mtime)}
	err := unix.UtimesNanoAt(unix.AT_FDCWD, procPath(s.fd), stamps, 0)
	if err != nil {
		a.notice("restore times of", s.path, err)
	}
}

// timespec is a time of statx(2) for utimensat(2).
func timespec(t unix.StatxTimestamp) unix.Timespec {
	return unix.NsecToTimespec(t.Sec*int64(time.Second) + int64(t.Nsec))
}

// sweepEntry removes an entry if it has to go. It says whether it did remove a file:
// systemd counts these only.
func (a *applier) sweepEntry(s *sweep, name string) (removed bool, err error) {
	path := join(s.path, name)
	st, err := statx(s.fd, name)
	switch {
	case err == unix.ENOENT:
		return false, nil
	case err != nil:
		a.notice("stat", path, err)
		return false, nil
	case mounted(&st), a.config.Has(path) || a.config.Matches(path):
		return false, nil
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		// The sticky bit of a directory means something else than that of a file.
		return false, a.sweepDirectory(s, name, path, &st)
	case a.stays(s, name, path, &st):
		return false, nil
	}
	return a.sweepFile(s, name, path)
}

// stays says which files are left, whatever a line says.
func (a *applier) stays(s *sweep, name, path string, st *unix.Statx_t) bool {
	kind := uint32(st.Mode) & unix.S_IFMT
	switch {
	case st.Mode&unix.S_ISVTX != 0: // the XDG specification asks for it
		return true
	case s.mount && kind == unix.S_IFREG && st.Uid == 0 && ofFileSystem(name):
		return true
	case kind == unix.S_IFSOCK && a.bound(path):
		return true
	case kind == unix.S_IFCHR, kind == unix.S_IFBLK, s.keep:
		return true
	}
	return !s.old(st, s.files)
}

// ofFileSystem knows the files at the top of a file system that belong to it.
func ofFileSystem(name string) bool {
	return name == ".journal" || name == "aquota.user" || name == "aquota.group"
}

// old says whether all of the times that count are before the cutoff.
func (s *sweep) old(st *unix.Statx_t, times tmpfiles.Times) bool {
	if !s.aged {
		return true
	}
	for _, t := range []struct {
		which tmpfiles.Times
		at    unix.StatxTimestamp
	}{
		{tmpfiles.Accessed, st.Atime}, {tmpfiles.Born, st.Btime},
		{tmpfiles.Changed, st.Ctime}, {tmpfiles.Modified, st.Mtime},
	} {
		if times&t.which != 0 && !time.Unix(t.at.Sec, int64(t.at.Nsec)).Before(s.cutoff) {
			return false
		}
	}
	return true
}

// sweepFile removes a file that nobody holds a lock on.
func (a *applier) sweepFile(s *sweep, name, path string) (removed bool, err error) {
	if !a.dry() {
		const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY |
			unix.O_CLOEXEC | unix.O_NOATIME
		// What cannot be opened has no lock that could be seen.
		if fd, err := openat(s.fd, name, flags, 0); err == nil {
			defer unix.Close(fd)
			if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) == unix.EAGAIN {
				return false, nil
			}
		}
	}
	if a.would("remove %q", a.name(path)) {
		return true, nil
	}
	// Under the lock: who gets it after us finds the file gone.
	err = unix.Unlinkat(s.fd, name, 0)
	if err != nil && err != unix.ENOENT {
		return true, a.fail("remove", path, err)
	}
	return true, nil
}

// sweepDirectory removes what is in a directory, and the directory if it is empty then.
func (a *applier) sweepDirectory(s *sweep, name, path string, st *unix.Statx_t) error {
	if s.mount && name == "lost+found" && st.Uid == 0 {
		return nil
	}
	below, err := a.sweepBelow(s, name, path, st)
	if below != nil {
		defer below.close() // with its lock, once it is removed
	}
	switch {
	case err == errLocked || err == unix.ENOENT:
		return nil
	case below == nil && err != nil:
		return a.fail("open directory", path, err)
	case s.keep || !s.old(st, s.dirs) || a.would("remove directory %q", a.name(path)):
		return err
	}
	// It is not empty if something in it is to stay.
	removeErr := unix.Unlinkat(s.fd, name, unix.AT_REMOVEDIR)
	if removeErr != nil && removeErr != unix.ENOENT && removeErr != unix.ENOTEMPTY {
		return a.fail("remove directory", path, removeErr)
	}
	return err
}

var errLocked = errors.New("locked")

// sweepBelow sweeps a directory in the directory. Nothing is done to one that somebody
// holds a lock on.
func (a *applier) sweepBelow(
	s *sweep, name, path string, st *unix.Statx_t,
) (*sweep, error) {
	// The cutoff and the times that count are those of the line, all the way down.
	below := *s
	below.path, below.self, below.depth = path, *st, s.depth+1
	below.mount, below.keep, below.stamp = false, false, true
	if below.depth > maxSweep {
		a.notice("go down into", path, unix.ENAMETOOLONG)
		return nil, nil
	}
	var err error
	if below.fd, err = list(s.fd, name); err != nil {
		return nil, err
	}
	if !a.dry() && unix.Flock(below.fd, unix.LOCK_EX|unix.LOCK_NB) != nil {
		below.close()
		return nil, errLocked
	}
	return &below, a.sweepAll(&below)
}
