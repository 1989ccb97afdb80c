package factory

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// maker makes entries in a directory; the first failure ends the test.
type maker struct {
	t   testing.TB
	dir string
	n   int64 // makes the times differ
}

func (m *maker) path(name string) string { return filepath.Join(m.dir, name) }

func (m *maker) mkdir(name string, mode uint32) {
	m.t.Helper()
	must(m.t, os.MkdirAll(m.path(name), 0o755))
	must(m.t, unix.Chmod(m.path(name), mode))
}

func (m *maker) file(name, content string, mode uint32) {
	m.t.Helper()
	writeFile(m.t, m.path(name), content)
	must(m.t, unix.Chmod(m.path(name), mode))
}

func (m *maker) node(name string, mode uint32, major, minor uint32) {
	m.t.Helper()
	must(m.t, unix.Mknod(m.path(name), mode, int(unix.Mkdev(major, minor))))
	must(m.t, unix.Chmod(m.path(name), mode&0o7777))
}

func (m *maker) symlink(target, name string) {
	m.t.Helper()
	must(m.t, os.Symlink(target, m.path(name)))
}

// chown keeps the mode, of which the kernel takes the set-id bits away.
func (m *maker) chown(name string, uid, gid int) {
	m.t.Helper()
	var st unix.Stat_t
	must(m.t, unix.Lstat(m.path(name), &st))
	must(m.t, os.Lchown(m.path(name), uid, gid))
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		must(m.t, unix.Chmod(m.path(name), st.Mode&0o7777))
	}
}

func (m *maker) xattr(name, attr, value string) {
	m.t.Helper()
	must(m.t, unix.Lsetxattr(m.path(name), attr, []byte(value), 0))
}

// age gives everything in the tree times of its own, in the past, the deepest
// first: before 1970, after 2038, and with nanoseconds.
func (m *maker) age() {
	m.t.Helper()
	out := run(m.t, "find", m.dir, "-mindepth", "1", "-depth", "-print0")
	for path := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		m.n++
		times := []unix.Timespec{
			{Sec: -86400 + m.n*7_654_321%5_000_000_000, Nsec: 1 + m.n},
			{Sec: m.n * 1_234_567 % 4_900_000_000, Nsec: 999_999_999 - m.n},
		}
		must(m.t, unix.UtimesNanoAt(unix.AT_FDCWD, path, times, unix.AT_SYMLINK_NOFOLLOW))
	}
}

// zoo makes one of every kind.
func zoo(t testing.TB, dir string) {
	t.Helper()
	m := &maker{t: t, dir: dir}
	m.file("etc/passwd", "root:x:0:0::/root:/bin/sh\n", 0o644)
	m.file("etc/shadow", "root:*:::::::\n", 0o640)
	m.chown("etc/shadow", 0, 42)
	m.file("etc/empty", "", 0o600)
	m.file("etc/all", "everybody writes", 0o666)
	m.file("etc/none", "nobody reads", 0)
	m.file("bin/su", "#!", 0o4755)
	m.file("bin/wall", "#!", 0o2755)
	m.chown("bin/wall", 3, 5)
	m.file("bin/sticky", "#!", 0o7711)
	m.file("data/exact", strings.Repeat("x", dataSize), 0o644)
	m.file("data/more", strings.Repeat("y", 3*dataSize+17), 0o644)
	m.file("data/"+strings.Repeat("n", 255), "long name", 0o644)
	m.file("data/new\nline \x01\xff", "odd name", 0o644)
	m.mkdir("tmp", 0o1777)
	m.mkdir("var/mail", 0o2775)
	m.chown("var/mail", 8, 8)
	m.mkdir("var/closed", 0)
	m.file("var/ro/inside", "in a directory that nobody may write to", 0o444)
	m.mkdir("var/ro", 0o555)
	zooNodes(m)
	zooLinks(m)
	zooHoles(m)
	zooXattrs(m)
	m.age()
}

func zooNodes(m *maker) {
	m.mkdir("dev", 0o755)
	m.node("dev/null", unix.S_IFCHR|0o666, 1, 3)
	m.node("dev/big", unix.S_IFBLK|0o660, 259, 0x12345)
	m.chown("dev/big", 0, 6)
	m.node("dev/fifo", unix.S_IFIFO|0o622, 0, 0)
	m.node("dev/socket", unix.S_IFSOCK|0o4777, 0, 0)
	m.chown("dev/socket", 7, 7)
}

func zooLinks(m *maker) {
	m.mkdir("links/a/b", 0o755)
	m.symlink("../etc/passwd", "links/relative")
	m.symlink("/", "links/root")
	m.symlink("/nowhere/"+strings.Repeat("z", 900), "links/dangling")
	m.symlink("loop", "links/loop")
	m.symlink("etc", "links/owned")
	m.chown("links/owned", 1000, 1001)
	for _, name := range []string{"etc/passwd", "dev/fifo", "dev/null", "links/root"} {
		other := "links/a/b/" + filepath.Base(name)
		must(m.t, os.Link(m.path(name), m.path(other)))
		must(m.t, os.Link(m.path(name), m.path(other)+"2"))
	}
}

// zooHoles makes sparse files: holes at the end, at the start, around, alone.
func zooHoles(m *maker) {
	for name, at := range map[string][]int64{
		"end": {0}, "start": {1 << 20}, "around": {65536, 3 << 20}, "alone": nil,
		"odd": {4096 * 3, 4096*5 + 7},
	} {
		m.file("holes/"+name, "", 0o644)
		f, err := os.OpenFile(m.path("holes/"+name), os.O_WRONLY, 0)
		must(m.t, err)
		for _, off := range at {
			_, err := f.WriteAt(bytes.Repeat([]byte{'d'}, 5000), off)
			must(m.t, err)
		}
		must(m.t, f.Truncate(4<<20+123))
		must(m.t, f.Sync()) // holes are seen for sure once it is allocated
		must(m.t, f.Close())
	}
}

func zooXattrs(m *maker) {
	m.mkdir("x/acl", 0o750)
	m.file("x/ping", "#!", 0o755)
	m.chown("x/ping", 0, 9)
	m.file("x/many", "x", 0o644)
	for i := range 20 {
		m.xattr("x/many", fmt.Sprintf("user.n%d", i), strings.Repeat("v", i*5))
	}
	m.xattr("x/many", "trusted.secret", "\x00binary\xff")
	m.xattr("x/many", "security.label", "system_u:object_r:etc_t:s0\x00")
	m.xattr("x", "user.on-directory", "")
	m.symlink("many", "x/link")
	m.xattr("x/link", "trusted.on-link", "yes")
	m.node("x/fifo", unix.S_IFIFO|0o600, 0, 0)
	m.xattr("x/fifo", "trusted.on-fifo", "yes")
	run(m.t, "setcap", "cap_net_raw+ep", m.path("x/ping"))
	run(m.t, "setfacl", "-m", "u:1000:rw,g:50:r,m::rw", m.path("x/many"))
	run(m.t, "setfacl", "-m", "u:1000:r", m.path("x/fifo"))
	run(m.t, "setfacl", "-m", "d:u:1000:rwx,d:m::rwx,u:7:rx", m.path("x/acl"))
	// Made before its directory had a default ACL, so it has none itself.
	m.file("x/acl2/plain", "no ACL of its own", 0o644)
	m.mkdir("x/acl2/dir", 0o700)
	run(m.t, "setfacl", "-m", "d:u:1000:rwx,d:o::-", m.path("x/acl2"))
}

// randomTree makes a tree that depends on the seed alone.
func randomTree(t testing.TB, dir string, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	m := &maker{t: t, dir: dir}
	dirs, leaves := []string{"."}, []string{}
	for i := range 120 {
		name := filepath.Join(dirs[r.IntN(len(dirs))], fmt.Sprintf("%d-%x", i, r.Uint32()))
		mode := r.Uint32N(0o10000)
		switch kind := r.IntN(20); {
		case kind < 4:
			m.mkdir(name, mode)
			dirs = append(dirs, name)
			continue
		case kind < 6:
			m.symlink(strings.Repeat("../t", 1+r.IntN(1000)), name)
		case kind == 6:
			m.node(name, unix.S_IFIFO|mode, 0, 0)
		case kind == 7:
			m.node(name, unix.S_IFCHR|mode, r.Uint32N(4096), r.Uint32N(1<<20))
		case kind < 10 && len(leaves) > 0:
			must(t, os.Link(m.path(leaves[r.IntN(len(leaves))]), m.path(name)))
		default:
			m.file(name, randomContent(r), mode)
			if r.IntN(4) == 0 {
				m.xattr(name, fmt.Sprintf("user.%d", i), randomContent(r)[:0]+name)
			}
		}
		leaves = append(leaves, name)
	}
	for _, name := range append(dirs[1:], leaves...) {
		if r.IntN(3) == 0 {
			m.chown(name, r.IntN(70000), r.IntN(70000))
		}
	}
	m.age()
}

// randomContent is data, zeros or both, of no round length.
func randomContent(r *rand.Rand) string {
	b := make([]byte, r.IntN(1<<uint(r.IntN(19))+1))
	for i := r.IntN(len(b) + 1); i < len(b) && r.IntN(3) > 0; i += 1 + r.IntN(5000) {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}
