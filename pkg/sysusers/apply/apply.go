// Package apply gives a root the users and groups that its sysusers.d(5) brings.
//
// The files of /etc are replaced as a whole: each new one is written beside the old one,
// brought to the disk, and renamed over it, when all of them are there. So whatever
// fails, a full disk too, the old files are as they were. They keep their owner, mode,
// access control list and user attributes, and stay as backups with a dash at the end.
// /etc/.pwd.lock is held meanwhile, as passwd(1) and useradd(8) do. A file that would
// not change is not written.
//
// Every path is resolved beneath the root: what is a symbolic link there cannot lead
// out. The caller has to be able to write to /etc of the root, and to give files away
// if the present ones are not its own.
package apply

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/dropin"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/sysusers"
)

// files are those of /etc that change, in the order in which they do.
var files = []struct {
	name  string
	mode  uint32 // of one that was not there
	write func(*sysusers.Plan, io.Writer) (bool, error)
}{
	{"group", 0o644, (*sysusers.Plan).WriteGroup},
	{"gshadow", 0, (*sysusers.Plan).WriteGShadow},
	{"passwd", 0o644, (*sysusers.Plan).WritePasswd},
	{"shadow", 0, (*sysusers.Plan).WriteShadow},
}

// Populate gives a root what its own configuration brings. Lines that cannot be used are
// noted, and are no error. Without configuration not even the lock is made.
func Populate(root *os.File, today int32, note func(sysusers.Note)) error {
	c := sysusers.New(Root(root, today, note))
	if err := ReadConfig(c, root); err != nil {
		return err
	}
	if c.IsEmpty() {
		return nil
	}
	return Commit(root, c)
}

// Root returns what the decision asks of a root.
func Root(root *os.File, today int32, note func(sysusers.Note)) sysusers.Root {
	return sysusers.Root{
		Specifier: Specifiers(root),
		Owner: func(path string) (uid, gid uint32, ok bool) {
			return owner(root, path)
		},
		Same:  func(a, b string) bool { return same(root, a, b) },
		Today: today,
		Note:  note,
	}
}

// ReadConfig reads the configuration in the directories of a root.
func ReadConfig(c *sysusers.Config, root *os.File) error {
	fsys := rootfs.FS(root)
	found, err := dropin.Files(fsys, "sysusers.d", ".conf")
	if err != nil {
		return fmt.Errorf("find configuration: %w", err)
	}
	// A bad line, or a file that goes away meanwhile, does not stop the others.
	for _, file := range found {
		ReadFile(c, fsys, file.Path)
	}
	return nil
}

// ReadFile reads a file of configuration. Its errors are noted; a file that is gone is
// none.
func ReadFile(c *sysusers.Config, fsys fs.FS, path string) error {
	f, err := fsys.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return c.Read("/"+path, f)
}

// Commit decides what a configuration brings to a root, and makes it.
func Commit(root *os.File, c *sysusers.Config) error {
	lock, err := lock(root)
	if err != nil {
		return err
	}
	defer lock.Close()
	plan, err := plan(root, c)
	if err != nil {
		return err
	}
	// Nothing is written before it is known that all of it can be.
	changed, err := changes(plan)
	if err != nil || len(changed) == 0 {
		return err
	}
	r, err := newReplacer(root)
	if err != nil {
		return err
	}
	defer r.close()
	for _, i := range changed {
		write := func(w io.Writer) error { _, err := files[i].write(plan, w); return err }
		if err := r.stage(files[i].name, files[i].mode, write); err != nil {
			return err
		}
	}
	return r.commit()
}

// Preview decides what a configuration brings to a root, and makes nothing. What it
// would make is noted.
func Preview(root *os.File, c *sysusers.Config) (*sysusers.Plan, error) {
	return plan(root, c)
}

// changes returns which files there is something to change in. That all of them can be
// written is known then, before any is.
func changes(plan *sysusers.Plan) (changed []int, err error) {
	for i, file := range files {
		change, err := file.write(plan, io.Discard)
		if err != nil {
			return nil, err
		}
		if change {
			changed = append(changed, i)
		}
	}
	return changed, nil
}

// plan reads what there is. A file that is missing is as good as an empty one.
func plan(root *os.File, c *sysusers.Config) (*sysusers.Plan, error) {
	var present sysusers.Files
	// They are read under the lock, so that nobody adds to them in between.
	for _, file := range []struct {
		name string
		text *[]byte
	}{
		{"passwd", &present.Passwd}, {"group", &present.Group},
		{"shadow", &present.Shadow}, {"gshadow", &present.GShadow},
		{"login.defs", &present.LoginDefs},
	} {
		text, err := fs.ReadFile(rootfs.FS(root), "etc/"+file.name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		*file.text = text
	}
	return c.Plan(present)
}

// lock waits for its turn to change accounts. Closing the file gives it back. The lock
// is of the kind that belongs to the open file, so that threads exclude each other too.
func lock(root *os.File) (*os.File, error) {
	// An OS that is nothing but /usr has no /etc yet.
	err := unix.Mkdirat(int(root.Fd()), "etc", 0o755)
	if err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, unix.EROFS) {
		return nil, fmt.Errorf("make directory %s/etc: %w", root.Name(), err)
	}
	flags := unix.O_WRONLY | unix.O_CREAT | unix.O_NOCTTY | unix.O_NOFOLLOW
	f, err := open(root, "etc/.pwd.lock", flags, 0o600)
	if err != nil {
		return nil, err
	}
	// lckpwdf(3) locks the whole file as well, so both keep each other out.
	whole := unix.Flock_t{Type: unix.F_WRLCK, Whence: unix.SEEK_SET}
	for {
		err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLKW, &whole)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return f, nil
}
