package factory

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/zoo"
)

// need skips a test that lacks root or a tool; in CI that is a failure.
func need(t testing.TB, tools ...string) {
	t.Helper()
	missing := ""
	if os.Geteuid() != 0 {
		missing = "root"
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			missing = tool
		}
	}
	switch {
	case missing == "":
	case os.Getenv("CI") != "":
		t.Fatalf("needs %s", missing)
	default:
		t.Skipf("needs %s", missing)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a tool and returns what it printed.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// mountAt mounts a file system until the test ends.
func mountAt(t testing.TB, dir, fstype, source, options string) string {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o755))
	must(t, unix.Mount(source, dir, fstype, unix.MS_NOATIME, options))
	t.Cleanup(func() { must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

func newTmpfs(t testing.TB, options string) string {
	t.Helper()
	return mountAt(t, t.TempDir(), "tmpfs", "factory-test", options)
}

// newImage mounts a file system of 256 MiB on a loop device.
func newImage(t testing.TB, fstype string, options ...string) string {
	t.Helper()
	return mountImage(t, fstype, makeImage(t, fstype, options...))
}

func makeImage(t testing.TB, fstype string, options ...string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, 256<<20))
	run(t, "mkfs."+fstype, append(append([]string{"-q"}, options...), image)...)
	return image
}

func mountImage(t testing.TB, fstype, image string) string {
	t.Helper()
	device := strings.TrimSpace(run(t, "losetup", "--find", "--show", image))
	t.Cleanup(func() { run(t, "losetup", "--detach", device) })
	return mountAt(t, t.TempDir(), fstype, device, "")
}

func newBtrfs(t testing.TB) string { return newImage(t, "btrfs") }

// subdir makes a directory below dir.
func subdir(t testing.TB, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	must(t, os.MkdirAll(path, 0o755))
	return path
}

// copyTree is Copy, on paths.
func copyTree(t testing.TB, dst, src string, opts Options) (Stats, error) {
	t.Helper()
	from, err := os.Open(src)
	must(t, err)
	defer from.Close()
	to, err := os.Open(dst)
	must(t, err)
	defer to.Close()
	return Copy(to, from, opts)
}

func mustCopy(t testing.TB, dst, src string, opts Options) Stats {
	t.Helper()
	stats, err := copyTree(t, dst, src, opts)
	must(t, err)
	return stats
}

// setUmask sets the umask for one test.
func setUmask(t testing.TB, mask int) {
	old := unix.Umask(mask)
	t.Cleanup(func() { unix.Umask(old) })
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(content), 0o644))
}

// cpTree copies with the tool that is our oracle.
func cpTree(t testing.TB, dst, src string) {
	t.Helper()
	run(t, "cp", "-a", src+"/.", dst+"/")
}

// count tells what a copy of the tree should count.
func count(tree map[string]zoo.Inode) Stats {
	var s Stats
	for name, n := range tree {
		switch {
		case n.Kind == "directory":
			s.Dirs++
		case n.SameAs != "" && n.SameAs != name:
			s.Links++
		case n.SHA256 != "":
			s.Files++
			s.Bytes += n.Size
		default:
			s.Others++
		}
	}
	return s
}

func stamp(ts unix.Timespec) string {
	return time.Unix(ts.Unix()).UTC().Format(time.RFC3339Nano)
}
