// Package zoo makes trees with one of every kind of inode, and compares trees.
//
// It needs root, and the programs find, setcap and setfacl.
package zoo

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
)

// bufSize is that of the buffers of pkg/factory.
const bufSize = 128 << 10

// Maker makes entries in a directory; the first failure ends the test.
type Maker struct {
	T   testing.TB
	Dir string
	n   int64 // makes the times differ
}

// Path is where an entry is.
func (m *Maker) Path(name string) string { return filepath.Join(m.Dir, name) }

// Mkdir makes a directory, and those on the way to it.
func (m *Maker) Mkdir(name string, mode uint32) {
	m.T.Helper()
	must(m.T, os.MkdirAll(m.Path(name), 0o755))
	must(m.T, unix.Chmod(m.Path(name), mode))
}

// File makes a regular file.
func (m *Maker) File(name, content string, mode uint32) {
	m.T.Helper()
	must(m.T, os.MkdirAll(filepath.Dir(m.Path(name)), 0o755))
	must(m.T, os.WriteFile(m.Path(name), []byte(content), 0o644))
	must(m.T, unix.Chmod(m.Path(name), mode))
}

// Node makes a device node, FIFO or socket.
func (m *Maker) Node(name string, mode uint32, major, minor uint32) {
	m.T.Helper()
	must(m.T, unix.Mknod(m.Path(name), mode, int(unix.Mkdev(major, minor))))
	must(m.T, unix.Chmod(m.Path(name), mode&0o7777))
}

// Symlink makes a symbolic link.
func (m *Maker) Symlink(target, name string) {
	m.T.Helper()
	must(m.T, os.Symlink(target, m.Path(name)))
}

// Chown keeps the mode, of which the kernel takes the set-id bits away.
func (m *Maker) Chown(name string, uid, gid int) {
	m.T.Helper()
	var st unix.Stat_t
	must(m.T, unix.Lstat(m.Path(name), &st))
	must(m.T, os.Lchown(m.Path(name), uid, gid))
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		must(m.T, unix.Chmod(m.Path(name), st.Mode&0o7777))
	}
}

// Xattr sets an extended attribute.
func (m *Maker) Xattr(name, attr, value string) {
	m.T.Helper()
	must(m.T, unix.Lsetxattr(m.Path(name), attr, []byte(value), 0))
}

// Age gives everything in the tree times of its own, in the past, the deepest
// first: before 1970, after 2038, and with nanoseconds.
func (m *Maker) Age() {
	m.T.Helper()
	out := testfs.Run(m.T, "find", m.Dir, "-mindepth", "1", "-depth", "-print0")
	for path := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		m.n++
		times := []unix.Timespec{
			{Sec: -86400 + m.n*7_654_321%5_000_000_000, Nsec: 1 + m.n},
			{Sec: m.n * 1_234_567 % 4_900_000_000, Nsec: 999_999_999 - m.n},
		}
		must(m.T, unix.UtimesNanoAt(unix.AT_FDCWD, path, times, unix.AT_SYMLINK_NOFOLLOW))
	}
}

// Make makes one of every kind.
func Make(t testing.TB, dir string) {
	t.Helper()
	m := &Maker{T: t, Dir: dir}
	m.File("etc/passwd", "root:x:0:0::/root:/bin/sh\n", 0o644)
	m.File("etc/shadow", "root:*:::::::\n", 0o640)
	m.Chown("etc/shadow", 0, 42)
	m.File("etc/empty", "", 0o600)
	m.File("etc/all", "everybody writes", 0o666)
	m.File("etc/none", "nobody reads", 0)
	m.File("bin/su", "#!", 0o4755)
	m.File("bin/wall", "#!", 0o2755)
	m.Chown("bin/wall", 3, 5)
	m.File("bin/sticky", "#!", 0o7711)
	m.File("data/exact", strings.Repeat("x", bufSize), 0o644)
	m.File("data/more", strings.Repeat("y", 3*bufSize+17), 0o644)
	m.File("data/"+strings.Repeat("n", 255), "long name", 0o644)
	m.File("data/new\nline \x01\xff", "odd name", 0o644)
	m.Mkdir("tmp", 0o1777)
	m.Mkdir("var/mail", 0o2775)
	m.Chown("var/mail", 8, 8)
	m.Mkdir("var/closed", 0)
	m.File("var/ro/inside", "in a directory that nobody may write to", 0o444)
	m.Mkdir("var/ro", 0o555)
	zooNodes(m)
	zooLinks(m)
	zooHoles(m)
	zooXattrs(m)
	m.Age()
}

func zooNodes(m *Maker) {
	m.Mkdir("dev", 0o755)
	m.Node("dev/null", unix.S_IFCHR|0o666, 1, 3)
	m.Node("dev/big", unix.S_IFBLK|0o660, 259, 0x12345)
	m.Chown("dev/big", 0, 6)
	m.Node("dev/fifo", unix.S_IFIFO|0o622, 0, 0)
	m.Node("dev/socket", unix.S_IFSOCK|0o4777, 0, 0)
	m.Chown("dev/socket", 7, 7)
}

func zooLinks(m *Maker) {
	m.Mkdir("links/a/b", 0o755)
	m.Symlink("../etc/passwd", "links/relative")
	m.Symlink("/", "links/root")
	m.Symlink("/nowhere/"+strings.Repeat("z", 900), "links/dangling")
	m.Symlink("loop", "links/loop")
	m.Symlink("etc", "links/owned")
	m.Chown("links/owned", 1000, 1001)
	for _, name := range []string{"etc/passwd", "dev/fifo", "dev/null", "links/root"} {
		other := "links/a/b/" + filepath.Base(name)
		must(m.T, os.Link(m.Path(name), m.Path(other)))
		must(m.T, os.Link(m.Path(name), m.Path(other)+"2"))
	}
}

// zooHoles makes sparse files: holes at the end, at the start, around, alone.
func zooHoles(m *Maker) {
	for name, at := range map[string][]int64{
		"end": {0}, "start": {1 << 20}, "around": {65536, 3 << 20}, "alone": nil,
		"odd": {4096 * 3, 4096*5 + 7},
	} {
		m.File("holes/"+name, "", 0o644)
		f, err := os.OpenFile(m.Path("holes/"+name), os.O_WRONLY, 0)
		must(m.T, err)
		for _, off := range at {
			_, err := f.WriteAt(bytes.Repeat([]byte{'d'}, 5000), off)
			must(m.T, err)
		}
		must(m.T, f.Truncate(4<<20+123))
		must(m.T, f.Sync()) // holes are seen for sure once it is allocated
		must(m.T, f.Close())
	}
}

func zooXattrs(m *Maker) {
	m.Mkdir("x/acl", 0o750)
	m.File("x/ping", "#!", 0o755)
	m.Chown("x/ping", 0, 9)
	m.File("x/many", "x", 0o644)
	for i := range 20 {
		m.Xattr("x/many", fmt.Sprintf("user.n%d", i), strings.Repeat("v", i*5))
	}
	m.Xattr("x/many", "trusted.secret", "\x00binary\xff")
	m.Xattr("x/many", "security.label", "system_u:object_r:etc_t:s0\x00")
	m.Xattr("x", "user.on-directory", "")
	m.Symlink("many", "x/link")
	m.Xattr("x/link", "trusted.on-link", "yes")
	m.Node("x/fifo", unix.S_IFIFO|0o600, 0, 0)
	m.Xattr("x/fifo", "trusted.on-fifo", "yes")
	testfs.Run(m.T, "setcap", "cap_net_raw+ep", m.Path("x/ping"))
	testfs.Run(m.T, "setfacl", "-m", "u:1000:rw,g:50:r,m::rw", m.Path("x/many"))
	testfs.Run(m.T, "setfacl", "-m", "u:1000:r", m.Path("x/fifo"))
	testfs.Run(m.T, "setfacl", "-m", "d:u:1000:rwx,d:m::rwx,u:7:rx", m.Path("x/acl"))
	// Made before its directory had a default ACL, so it has none itself.
	m.File("x/acl2/plain", "no ACL of its own", 0o644)
	m.Mkdir("x/acl2/dir", 0o700)
	testfs.Run(m.T, "setfacl", "-m", "d:u:1000:rwx,d:o::-", m.Path("x/acl2"))
}

// Random makes a tree that depends on the seed alone.
func Random(t testing.TB, dir string, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	m := &Maker{T: t, Dir: dir}
	dirs, leaves := []string{"."}, []string{}
	for i := range 120 {
		name := filepath.Join(dirs[r.IntN(len(dirs))], fmt.Sprintf("%d-%x", i, r.Uint32()))
		mode := r.Uint32N(0o10000)
		switch kind := r.IntN(20); {
		case kind < 4:
			m.Mkdir(name, mode)
			dirs = append(dirs, name)
			continue
		case kind < 6:
			m.Symlink(strings.Repeat("../t", 1+r.IntN(1000)), name)
		case kind == 6:
			m.Node(name, unix.S_IFIFO|mode, 0, 0)
		case kind == 7:
			m.Node(name, unix.S_IFCHR|mode, r.Uint32N(4096), r.Uint32N(1<<20))
		case kind < 10 && len(leaves) > 0:
			must(t, os.Link(m.Path(leaves[r.IntN(len(leaves))]), m.Path(name)))
		default:
			m.File(name, randomContent(r), mode)
			if r.IntN(4) == 0 {
				m.Xattr(name, fmt.Sprintf("user.%d", i), randomContent(r)[:0]+name)
			}
		}
		leaves = append(leaves, name)
	}
	for _, name := range append(dirs[1:], leaves...) {
		if r.IntN(3) == 0 {
			m.Chown(name, r.IntN(70000), r.IntN(70000))
		}
	}
	m.Age()
}

// randomContent is data, zeros or both, of no round length.
func randomContent(r *rand.Rand) string {
	b := make([]byte, r.IntN(1<<uint(r.IntN(19))+1))
	for i := r.IntN(len(b) + 1); i < len(b) && r.IntN(3) > 0; i += 1 + r.IntN(5000) {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
