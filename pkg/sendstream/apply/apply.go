// Package apply makes the tree of a btrfs send stream in a directory of any file system.
//
// The stream has to be a full one. All paths are resolved beneath the directory and
// through no symbolic link (openat2(2)): what one leads elsewhere is an error, as a sound
// stream has none. Owners, modes, access and modification times, extended attributes,
// hard links and holes are what they were; where the file system can, clones share their
// extents, elsewhere they are copies. Inode flags, and space that was allocated and not
// written, are not made.
//
// What is below dev, proc, run and sys is removed in the end: on a running system something
// else is mounted there. A device node elsewhere is refused. So is data that is
// compressed with LZO or encrypted.
//
// It needs root and Linux 5.6. Nobody else may write to the directory meanwhile.
package apply

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/sendstream"
)

// maxDevices bounds the device nodes, for each takes a descriptor until the end.
const maxDevices = 256

// Stats counts what was made.
type Stats struct {
	Dirs, Files, Links, Others int
	Bytes                      int64 // written or cloned
	LostXattrs                 int   // attributes that the target cannot store
}

// Apply makes the tree of a stream in an empty directory. After an error it is not
// complete. A stream that is cut off gives io.ErrUnexpectedEOF.
func Apply(dir *os.File, r io.Reader) (Stats, error) {
	d, err := sendstream.NewDecoder(r)
	if err != nil {
		return Stats{}, err
	}
	root, err := unix.Openat(int(dir.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Stats{}, fmt.Errorf("open %q: %w", dir.Name(), err)
	}
	a := &receiver{root: root, file: openFile{fd: -1}}
	defer a.close()
	for {
		c, err := d.Next()
		if err == io.EOF {
			return a.Stats, a.finish()
		}
		if err == nil {
			err = a.do(&c)
		}
		if err != nil {
			return a.Stats, err
		}
	}
}

// receiver makes one subvolume.
type receiver struct {
	Stats

	root    int
	begun   bool
	uuid    sendstream.UUID
	file    openFile // the one that was written last
	devices []int    // the files that stand for device nodes, O_PATH
	decoder decoder
}

// openFile is a file that is open for reading and writing.
type openFile struct {
	path string
	fd   int
}

// close frees what was needed until the end.
func (a *receiver) close() {
	a.forget()
	a.decoder.close()
	for _, fd := range a.devices {
		unix.Close(fd)
	}
	unix.Close(a.root)
}

// forget closes the file that was written last.
func (a *receiver) forget() {
	if a.file.fd >= 0 {
		unix.Close(a.file.fd)
	}
	a.file = openFile{fd: -1}
}

// actions are what is done for each command. Those that are missing change nothing that a
// tree shows.
var actions = map[sendstream.Op]func(*receiver, *sendstream.Command) error{
	sendstream.Subvol:       (*receiver).subvol,
	sendstream.Snapshot:     (*receiver).snapshot,
	sendstream.Mkfile:       (*receiver).mkfile,
	sendstream.Mkdir:        (*receiver).mkdir,
	sendstream.Mknod:        (*receiver).mknod,
	sendstream.Mkfifo:       (*receiver).mkfifo,
	sendstream.Mksock:       (*receiver).mksock,
	sendstream.Symlink:      (*receiver).symlink,
	sendstream.Rename:       (*receiver).rename,
	sendstream.Link:         (*receiver).link,
	sendstream.Unlink:       (*receiver).unlink,
	sendstream.Rmdir:        (*receiver).rmdir,
	sendstream.SetXattr:     (*receiver).setXattr,
	sendstream.RemoveXattr:  (*receiver).removeXattr,
	sendstream.Write:        (*receiver).write,
	sendstream.Clone:        (*receiver).clone,
	sendstream.Truncate:     (*receiver).truncate,
	sendstream.Chmod:        (*receiver).chmod,
	sendstream.Chown:        (*receiver).chown,
	sendstream.Utimes:       (*receiver).utimes,
	sendstream.UpdateExtent: (*receiver).updateExtent,
	sendstream.EncodedWrite: (*receiver).encodedWrite,
}

// do does what a command says.
func (a *receiver) do(c *sendstream.Command) error {
	opening := c.Op == sendstream.Subvol || c.Op == sendstream.Snapshot
	if a.begun == opening {
		return fmt.Errorf("%v %.256q: it is out of place in the stream", c.Op, c.Path)
	}
	action := actions[c.Op]
	if action == nil {
		return nil
	}
	if err := action(a, c); err != nil {
		return fmt.Errorf("%v %.256q: %w", c.Op, c.Path, err)
	}
	return nil
}

// subvol begins the tree. What the subvolume is called matters to nobody here.
func (a *receiver) subvol(c *sendstream.Command) error {
	a.begun, a.uuid = true, c.UUID
	return nil
}

// snapshot refuses what begins with the tree of another subvolume.
func (a *receiver) snapshot(*sendstream.Command) error {
	return errors.New("the stream only has what differs from a parent: send without -p")
}

// updateExtent refuses what tells of data without having it.
func (a *receiver) updateExtent(*sendstream.Command) error {
	return errors.New("the stream has no data: send without --no-data")
}
