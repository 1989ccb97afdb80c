package golden_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/golden"
)

// files is a tree: content by path. A path with a slash at the end is a directory, a
// content with "-> " in front the target of a link.
type files map[string]string

func (f files) write(t *testing.T, dir string) {
	t.Helper()
	for name, content := range f {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			must(t, os.MkdirAll(path, 0o755))
			continue
		}
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			must(t, os.Symlink(target, path))
			continue
		}
		must(t, os.WriteFile(path, []byte(content), 0o644))
	}
}

// read is the inverse of write; directories are only those without anything in them.
func read(t *testing.T, dir string) files {
	t.Helper()
	f := files{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		switch {
		case d.IsDir():
			delete(f, filepath.Dir(name)+"/")
			f[name+"/"] = ""
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			f[name] = "-> " + target
			delete(f, filepath.Dir(name)+"/")
			return err
		default:
			content, err := os.ReadFile(path)
			f[name] = string(content)
			delete(f, filepath.Dir(name)+"/")
			return err
		}
		return nil
	})
	must(t, err)
	return f
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// system is a small installed system.
func system() files {
	return files{
		"usr/bin/sh": "sh", "bin": "-> usr/bin", "usr/lib/os-release": "ID=test\n",
		"usr/lib/tmpfiles.d/vendor.conf": "d /var/lib\nd /var/log\nC /etc/shipped\nL /etc/mtab - - - - ../proc/self/mounts\nf^ /etc/hosts - - - - hosts\n",
		"usr/lib/sysusers.d/vendor.conf": "u root 0\ng mail 8\nu svc - \"A service\"\nm svc mail\n",

		"etc/passwd":  "root:x:0:0:root:/root:/bin/sh\nsvc:x:900:901:A \"100%\" service:/:/usr/sbin/nologin\nada:x:1000:1000:Ada:/home/ada:/bin/sh\nnobody:x:65534:65534::/:\n",
		"etc/group":   "root:x:0:\nmail:x:8:svc,ada\nsvc:x:901:\nvideo:x:44:svc,ada\nada:x:1000:\nnobody:x:65534:\n",
		"etc/shadow":  "root:$y$j9T$abc:20000:0:99999:7:::\nsvc:!:20000::::::\nada:!$6$x$y:20000::::::\nnobody::20000::::::\n+::::::::\n",
		"etc/gshadow": "root:*::\nmail:::svc,ada\nada:!:ada:\n",
		"etc/subuid":  "ada:100000:65536\n",

		"etc/os-release": "-> ../usr/lib/os-release", "etc/mtab": "-> ../proc/self/mounts",
		"etc/machine-id": "0123456789abcdef0123456789abcdef\n", "etc/hostname": "builder\n",
		"etc/resolv.conf": "nameserver 192.0.2.1\n", "etc/fstab": "UUID=1 / ext4 defaults 0 1\n",
		"etc/ssh/sshd_config": "x", "etc/ssh/ssh_host_rsa_key": "secret",
		"etc/shipped/file": "x", "etc/hosts": "127.0.0.1 localhost\n", "etc/empty.d/": "",
		"etc/odd name%\n": "x", "etc/\xff.d/\xfe": "x", "var/\xff": "-> \xfe", "etc/conf~": "backup", "etc/.pwd.lock": "",

		"var/lib/svc/state": "x", "var/lib/empty/": "", "var/log/svc/log": "a log",
		"var/cache/svc/c": "a cache", "var/tmp/x": "x", "var/run": "-> /run",
		"var/lib/cloud/instance/x": "x", "var/lib/cloud/seed/y": "y",
	}
}

// newSystem writes a tree, and opens it.
func newSystem(t *testing.T, f files) (*os.Root, string) {
	t.Helper()
	testfs.Root(t)
	dir := t.TempDir()
	f.write(t, dir)
	return openRoot(t, dir), dir
}

func openRoot(t *testing.T, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	must(t, err)
	t.Cleanup(func() { root.Close() })
	return root
}

func build(t *testing.T, root *os.Root, opts golden.Options) *golden.Plan {
	t.Helper()
	plan, _, err := golden.Build(root, opts)
	must(t, err)
	return plan
}

const (
	tmpfilesConf = "usr/lib/tmpfiles.d/freshroot-factory.conf"
	sysusersConf = "usr/lib/sysusers.d/00-freshroot-factory.conf"
	header       = "# Written by freshroot factory build, for what no other line makes.\n"
)

func TestIntegrationBuild(t *testing.T) {
	root, dir := newSystem(t, system())
	before := read(t, dir)
	build(t, root, golden.Options{})
	want := files{
		"etc/passwd":  "root:x:0:0:root:/root:/bin/sh\nsvc:x:900:901:A \"100%\" service:/:/usr/sbin/nologin\nnobody:x:65534:65534::/:\n",
		"etc/group":   "root:x:0:\nmail:x:8:svc\nsvc:x:901:\nvideo:x:44:svc\nnobody:x:65534:\n",
		"etc/shadow":  "root:!*:20000:0:99999:7:::\nsvc:!:20000::::::\nnobody:!*:20000::::::\n+::::::::\n",
		"etc/gshadow": "root:*::\nmail:::svc\n",
		"etc/subuid":  "",

		"etc/os-release": "-> ../usr/lib/os-release", "etc/mtab": "-> ../proc/self/mounts",
		"etc/machine-id": "", "etc/ssh/sshd_config": "x", "etc/shipped/file": "x",
		"etc/hosts": "127.0.0.1 localhost\n", "etc/empty.d/": "", "etc/odd name%\n": "x",
		"etc/\xff.d/\xfe": "x", "var/\xff": "-> \xfe",

		"var/lib/svc/state": "x", "var/lib/empty/": "", "var/log/svc/": "",
		"var/cache/svc/": "", "var/tmp/": "", "var/run": "-> /run", "var/lib/cloud/": "",
	}
	if diff := cmp.Diff(want, read(t, filepath.Join(dir, "usr/share/factory"))); diff != "" {
		t.Errorf("factory (-want +got):\n%s", diff)
	}
	after := read(t, dir)
	for name := range after {
		if _, ok := before[name]; !ok && !strings.HasPrefix(name, "usr/share/factory/") &&
			name != tmpfilesConf && name != sysusersConf {
			t.Errorf("left behind: %q", name)
		}
	}
	for name, content := range before {
		if after[name] != content {
			t.Errorf("the tree's own %q has changed", name)
		}
	}
}

// The lines are for what the vendor's do not make, and hold odd names.
func TestIntegrationLines(t *testing.T) {
	root, dir := newSystem(t, system())
	build(t, root, golden.Options{})
	got := read(t, dir)
	want := header + `d /etc/empty.d 0755 root root -
C /etc/group -
C /etc/gshadow -
C /etc/hosts -
C /etc/odd\x20name%%\x0a -
L /etc/os-release - - - - ../usr/lib/os-release
C /etc/passwd -
C /etc/shadow -
C /etc/ssh -
C /etc/subuid -
` + "C /etc/\xff.d -" + `
C /var/cache -
d /var/lib/cloud 0755 root root -
d /var/lib/empty 0755 root root -
C /var/lib/svc -
d /var/log/svc 0755 root root -
L /var/run - - - - /run
d /var/tmp 0755 root root -
` + "L /var/\xff - - - - \xfe\n"
	if diff := cmp.Diff(want, got[tmpfilesConf]); diff != "" {
		t.Errorf("tmpfiles.d (-want +got):\n%s", diff)
	}
	want = header + `g svc 901
g video 44
g nobody 65534
u svc 900:901 "A \"100%%\" service" / /usr/sbin/nologin
u nobody 65534:65534 - / -
m svc video
`
	if diff := cmp.Diff(want, got[sysusersConf]); diff != "" {
		t.Errorf("sysusers.d (-want +got):\n%s", diff)
	}
}

// What the options keep stays, also below what is dropped, and what they drop goes.
func TestIntegrationOptions(t *testing.T) {
	root, dir := newSystem(t, system())
	build(t, root, golden.Options{
		Exclude: []string{"etc/empty.d", "var/lib/*/state"},
		Include: []string{"etc/hostname", "var/lib/cloud/*/y", "etc/ssh/*"}, KeepPasswords: true, KeepUsers: true,
	})
	got := read(t, filepath.Join(dir, "usr/share/factory"))
	for name, want := range map[string]bool{
		"etc/hostname": true, "var/lib/cloud/seed/y": true, "etc/ssh/ssh_host_rsa_key": true,
		"etc/empty.d/": false, "var/lib/svc/state": false, "var/lib/cloud/instance/x": false,
		"etc/fstab": false,
	} {
		if _, ok := got[name]; ok != want {
			t.Errorf("%q is there: %t, want %t", name, ok, want)
		}
	}
	for _, name := range []string{"etc/passwd", "etc/shadow", "etc/group", "etc/gshadow", "etc/subuid"} {
		if diff := cmp.Diff(system()[name], got[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestIntegrationDropPackages(t *testing.T) {
	f := system()
	f["var/lib/dpkg/status"], f["var/lib/apt/extended_states"] = "x", "x"
	root, dir := newSystem(t, f)
	status := filepath.Join(dir, "usr/share/factory/var/lib/dpkg/status")
	build(t, root, golden.Options{})
	if _, err := os.Stat(status); err != nil {
		t.Error(err)
	}
	build(t, root, golden.Options{DropPackages: true})
	if _, err := os.Stat(filepath.Dir(status)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the database is still there: %v", err)
	}
}

// attributes are those that a build must keep.
func attributes(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	st := info.Sys().(*syscall.Stat_t)
	buf := make([]byte, 100)
	n, _ := unix.Lgetxattr(path, "user.test", buf)
	return fmt.Sprintf("%v %d:%d %d links %q %s", info.Mode(), st.Uid, st.Gid, st.Nlink,
		buf[:max(n, 0)], info.ModTime().UTC().Format(time.RFC3339Nano))
}

// Attributes stay, also those of what is edited and of directories that lose a file.
func TestIntegrationAttributes(t *testing.T) {
	root, dir := newSystem(t, system())
	etc := filepath.Join(dir, "etc")
	must(t, os.Link(filepath.Join(etc, "hosts"), filepath.Join(dir, "var/lib/hosts")))
	must(t, os.Chown(filepath.Join(etc, "shadow"), 0, 42))
	must(t, os.Chmod(filepath.Join(etc, "shadow"), 0o640))
	must(t, os.Chmod(filepath.Join(etc, "empty.d"), fs.ModeSetgid|0o2770))
	must(t, unix.Setxattr(filepath.Join(etc, "ssh"), "user.test", []byte("kept"), 0))
	names := []string{"etc", "etc/shadow", "etc/ssh", "etc/hosts", "etc/os-release", "etc/empty.d",
		"etc/machine-id", "var/log/svc", "var/cache/svc", "var"}
	for i, name := range names {
		stamp := []unix.Timespec{{Sec: 1e9 + int64(i)}, {Sec: 1e9 + int64(i), Nsec: 7}}
		must(t, unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(dir, name), stamp, unix.AT_SYMLINK_NOFOLLOW))
	}
	build(t, root, golden.Options{})
	for _, name := range names {
		want := attributes(t, filepath.Join(dir, name))
		got := attributes(t, filepath.Join(dir, "usr/share/factory", name))
		if name == "var" || name == "etc" {
			continue // the number of links counts directories on some file systems
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A tree without a machine ID gets an empty one, with the time of /etc.
func TestIntegrationNoMachineID(t *testing.T) {
	f := system()
	delete(f, "etc/machine-id")
	root, dir := newSystem(t, f)
	etc := attributes(t, filepath.Join(dir, "etc"))
	build(t, root, golden.Options{})
	want := "-r--r--r-- 0:0 1 links \"\" " + etc[strings.LastIndexByte(etc, ' ')+1:]
	got := attributes(t, filepath.Join(dir, "usr/share/factory/etc/machine-id"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The same tree gives the same factory, and no time is after the epoch.
func TestIntegrationDeterministic(t *testing.T) {
	epoch := time.Unix(1_700_000_000, 0)
	var results [2]string
	for i := range results {
		root, dir := newSystem(t, system())
		build(t, root, golden.Options{Epoch: epoch})
		for _, part := range []string{"usr/share", "usr/lib/tmpfiles.d", "usr/lib/sysusers.d"} {
			err := filepath.WalkDir(filepath.Join(dir, part), func(path string, d fs.DirEntry, err error) error {
				must(t, err)
				name, _ := filepath.Rel(dir, path)
				if strings.HasSuffix(name, "vendor.conf") {
					return nil // not made by the build
				}
				results[i] += fmt.Sprintf("%s: %s\n", name, attributes(t, path))
				if info, _ := d.Info(); info.ModTime().After(epoch) {
					t.Errorf("%s is of %v", name, info.ModTime())
				}
				return nil
			})
			must(t, err)
		}
	}
	if diff := cmp.Diff(results[0], results[1]); diff != "" {
		t.Errorf("two builds (-first +second):\n%s", diff)
	}
}

// A second build gives what the first gave; what the vendor's factory has stays.
func TestIntegrationRebuild(t *testing.T) {
	f := system()
	f["usr/share/factory/etc/vendor.conf"] = "the vendor's"
	f["usr/share/factory/etc/shipped/file"] = "the vendor's"
	f["usr/share/factory/etc/fstab"] = "dropped"
	f["usr/share/factory.new/etc/stale"] = "of a build that was killed"
	root, dir := newSystem(t, f)
	build(t, root, golden.Options{})
	first := read(t, filepath.Join(dir, "usr"))
	for name, want := range map[string]string{
		"share/factory/etc/vendor.conf": "the vendor's", "share/factory/etc/shipped/file": "x",
		"share/factory/etc/fstab": "", "share/factory.new/etc/stale": "", "share/factory/etc/stale": "",
	} {
		if first[name] != want {
			t.Errorf("%s is %q, want %q", name, first[name], want)
		}
	}
	build(t, root, golden.Options{})
	if diff := cmp.Diff(first, read(t, filepath.Join(dir, "usr"))); diff != "" {
		t.Errorf("second build (-first +second):\n%s", diff)
	}
}

// A file system that fills up leaves the tree as it was.
func TestIntegrationNoSpace(t *testing.T) {
	dir := testfs.Tmpfs(t, "size=1m")
	f := system()
	f["etc/big"] = strings.Repeat("x", 600_000)
	f["usr/share/factory/etc/old"] = "old"
	f.write(t, dir)
	before := read(t, dir)
	_, _, err := golden.Build(openRoot(t, dir), golden.Options{})
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("error: %v, want ENOSPC", err)
	}
	if diff := cmp.Diff(before, read(t, dir)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

// Prepare says what Build does, and changes nothing.
func TestIntegrationPrepare(t *testing.T) {
	root, dir := newSystem(t, system())
	before := read(t, dir)
	planned, err := golden.Prepare(root, golden.Options{})
	must(t, err)
	if diff := cmp.Diff(before, read(t, dir)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	done := build(t, root, golden.Options{})
	if diff := cmp.Diff(done.Changes, planned.Changes); diff != "" {
		t.Errorf("changes (-done +planned):\n%s", diff)
	}
	if done.Dropped != planned.Dropped || done.Dropped == 0 {
		t.Errorf("%d bytes dropped, %d planned", done.Dropped, planned.Dropped)
	}
	want := golden.Change{Action: golden.Edit, Path: "etc/shadow",
		Why: `the users and groups of people are dropped: ["ada"]; passwords are locked: ["nobody" "root"]`}
	if !strings.Contains(fmt.Sprint(planned.Changes), fmt.Sprint(want)) {
		t.Errorf("no %v in %v", want, planned.Changes)
	}
}

func TestPrepareRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		change func(dir string) error
		want   string
	}{
		"no etc": {func(dir string) error { return os.Remove(filepath.Join(dir, "etc")) },
			"look for an installed system: statat etc: no such file or directory"},
		"etc is a link": {func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "etc")), os.Symlink("/etc", filepath.Join(dir, "etc")))
		}, "look for an installed system: /etc is no directory"},
		"not merged": {func(dir string) error { return os.Mkdir(filepath.Join(dir, "lib"), 0o755) },
			"look for a usr-merged system: /lib is a directory beside /usr, " +
				"and not a link into it; on Debian the package usrmerge makes it one"},
		"a link for passwd": {func(dir string) error { return os.Symlink("/etc/passwd", filepath.Join(dir, "etc/passwd")) },
			`read "etc/passwd": no regular file of at most 16777216 bytes`},
		"a FIFO for shadow": {func(dir string) error { return unix.Mkfifo(filepath.Join(dir, "etc/shadow"), 0o600) },
			`read "etc/shadow": no regular file of at most 16777216 bytes`},
	} {
		dir := t.TempDir()
		files{"usr/": "", "etc/": "", "var/": ""}.write(t, dir)
		must(t, test.change(dir))
		_, err := golden.Prepare(openRoot(t, dir), golden.Options{})
		if got := fmt.Sprint(err); got != test.want {
			t.Errorf("%s: error %q, want %q", name, got, test.want)
		}
	}
}
