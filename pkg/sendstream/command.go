package sendstream

import "fmt"

// Op is what a command does.
type Op uint16

// The operations, with the numbers of the format; from Fallocate on they are of version 2.
const (
	Subvol Op = iota + 1
	Snapshot
	Mkfile
	Mkdir
	Mknod
	Mkfifo
	Mksock
	Symlink
	Rename
	Link
	Unlink
	Rmdir
	SetXattr
	RemoveXattr
	Write
	Clone
	Truncate
	Chmod
	Chown
	Utimes
	End
	UpdateExtent
	Fallocate
	Fileattr
	EncodedWrite
)

// operations are what is known of each: its name, and the attributes it has to have.
var operations = [...]struct {
	name  string
	needs []attribute
}{
	Subvol:      {"subvol", []attribute{attrPath, attrUUID}},
	Snapshot:    {"snapshot", []attribute{attrPath}},
	Mkfile:      {"mkfile", []attribute{attrPath}},
	Mkdir:       {"mkdir", []attribute{attrPath}},
	Mknod:       {"mknod", []attribute{attrPath, attrMode, attrRdev}},
	Mkfifo:      {"mkfifo", []attribute{attrPath}},
	Mksock:      {"mksock", []attribute{attrPath}},
	Symlink:     {"symlink", []attribute{attrPath, attrPathLink}},
	Rename:      {"rename", []attribute{attrPath, attrPathTo}},
	Link:        {"link", []attribute{attrPath, attrPathLink}},
	Unlink:      {"unlink", []attribute{attrPath}},
	Rmdir:       {"rmdir", []attribute{attrPath}},
	SetXattr:    {"set_xattr", []attribute{attrPath, attrXattrName, attrXattrData}},
	RemoveXattr: {"remove_xattr", []attribute{attrPath, attrXattrName}},
	Write:       {"write", []attribute{attrPath, attrFileOffset, attrData}},
	Clone: {"clone", []attribute{
		attrPath, attrFileOffset, attrCloneLen, attrCloneUUID, attrClonePath, attrCloneOffset,
	}},
	Truncate:     {"truncate", []attribute{attrPath, attrSize}},
	Chmod:        {"chmod", []attribute{attrPath, attrMode}},
	Chown:        {"chown", []attribute{attrPath, attrUID, attrGID}},
	Utimes:       {"utimes", []attribute{attrPath, attrAtime, attrMtime}},
	End:          {"end", nil},
	UpdateExtent: {"update_extent", []attribute{attrPath}},
	Fallocate:    {"fallocate", []attribute{attrPath}},
	Fileattr:     {"fileattr", []attribute{attrPath}},
	EncodedWrite: {"encoded_write", []attribute{
		attrPath, attrFileOffset, attrUnencodedFileLen, attrUnencodedLen, attrUnencodedOffset, attrData,
	}},
}

// String returns the name that btrfs receive --dump has for the operation.
func (op Op) String() string {
	if op == 0 || int(op) >= len(operations) {
		return fmt.Sprintf("command %d", uint16(op))
	}
	return operations[op].name
}

// Time is a time as seconds and nanoseconds since 1970.
type Time struct {
	Sec  int64
	Nsec uint32
}

// UUID is that of a subvolume.
type UUID [16]byte

// Compression is how the data of an EncodedWrite is compressed (BTRFS_ENCODED_IO_*).
type Compression uint32

// The ways to compress. LZO has a number for each size of a sector, from here on.
const (
	Plain Compression = iota
	Zlib
	Zstd
	LZO
)

// Command is one step of making a subvolume. Fields that its operation does not have are
// zero.
type Command struct {
	Op   Op
	Path string // relative to the subvolume; "" is its top
	// To is the new name of a Rename, the target of a Symlink, and the file that a Link
	// is one more name of.
	To string

	UUID     UUID // of the subvolume
	Mode     uint64
	UID, GID uint64
	Rdev     uint64
	Size     uint64
	Atime    Time
	Mtime    Time
	Xattr    string // the name of an attribute; its value is Data
	Offset   uint64 // in the file
	Data     []byte
	From     Range   // what is cloned
	Encoded  Encoded // how Data was made
}

// Range is a part of a file of a subvolume.
type Range struct {
	UUID   UUID
	Path   string
	Offset uint64
	Len    uint64
}

// Encoded says what the Data of an EncodedWrite becomes: of Len bytes, FileLen from
// Offset on belong to the file.
type Encoded struct {
	FileLen, Len, Offset uint64
	Compression          Compression
	Encryption           uint32
}
