package mount_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/mount"
)

func TestError(t *testing.T) {
	for want, err := range map[string]error{
		"mount btrfs /dev/vda2 on /sysroot (subvolid=5, ro): invalid argument": &mount.Error{
			Op: "mount btrfs", Source: "/dev/vda2", Target: "/sysroot", Data: "subvolid=5",
			Flags: unix.MS_RDONLY | unix.MS_NOSUID, Err: unix.EINVAL},
		"bind /a on /b: permission denied": &mount.Error{Op: "bind", Source: "/a", Target: "/b", Err: unix.EACCES},
		"unmount /a: invalid argument":     &mount.Error{Op: "unmount", Target: "/a", Err: unix.EINVAL},
	} {
		if got := err.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestParseOptions(t *testing.T) {
	for text, want := range map[string]struct {
		flags uintptr
		data  string
	}{
		"":                           {0, ""},
		"noatime,compress=zstd:1,ro": {unix.MS_NOATIME | unix.MS_RDONLY, "compress=zstd:1"},
		"rw,defaults,,a,b":           {0, "a,b"},
	} {
		if flags, data := mount.ParseOptions(text); flags != want.flags || data != want.data {
			t.Errorf("ParseOptions(%q) = %#x, %q, want %#x, %q", text, flags, data, want.flags, want.data)
		}
	}
}

// TestIntegrationMount looks at /proc/self/mountinfo for what became of each call.
func TestIntegrationMount(t *testing.T) {
	testfs.Root(t)
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	fs, view := filepath.Join(dir, "fs"), filepath.Join(dir, "view")
	must(errors.Join(mount.Dir(fs), mount.Dir(view), mount.Dir(fs)))
	must(mount.Mount("none", fs, "tmpfs", unix.MS_NOSUID, "size=1m,mode=0700"))
	t.Cleanup(func() { mount.Unmount(fs) })
	must(os.Mkdir(fs+"/sub", 0o755))
	must(mount.Bind(fs+"/sub", view, unix.MS_RDONLY))
	t.Cleanup(func() { mount.Unmount(view) })
	want := []string{fs + " / rw,nosuid tmpfs size=1024k", view + " /sub ro tmpfs size=1024k"}
	if diff := cmp.Diff(want, mounts(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	must(mount.Reflag(view, 0))
	must(mount.Remount(fs, unix.MS_RDONLY, "size=2m"))
	want = []string{fs + " / ro tmpfs size=2048k", view + " /sub rw tmpfs size=2048k"}
	if diff := cmp.Diff(want, mounts(t, dir)); diff != "" {
		t.Errorf("remounted (-want +got):\n%s", diff)
	}
	must(errors.Join(mount.Unmount(view), mount.Unmount(fs)))
	if got := mounts(t, dir); got != nil {
		t.Errorf("left: %q", got)
	}
}

// mounts returns target, root, the flags that matter, type and size of the mounts
// below a directory.
func mounts(t *testing.T, dir string) (lines []string) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if !strings.HasPrefix(f[4], dir) {
			continue
		}
		flags := strings.ReplaceAll(f[5], ",relatime", "")
		_, super, _ := strings.Cut(line, " - ")
		size := ""
		for _, option := range strings.Split(strings.Fields(super)[2], ",") {
			if strings.HasPrefix(option, "size=") {
				size = option
			}
		}
		lines = append(lines, fmt.Sprint(f[4], " ", f[3], " ", flags, " tmpfs ", size))
	}
	return lines
}

func TestDirRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(
		os.Symlink(t.TempDir(), dir+"/link"), os.WriteFile(dir+"/file", nil, 0o600),
	); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"link": "it is a symbolic link", "file": "it is a file", "absent/dir": "no such file",
	} {
		err := mount.Dir(filepath.Join(dir, name))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Dir(%s) = %v, want %q", name, err, want)
		}
	}
}

func TestFindInit(t *testing.T) {
	root := t.TempDir()
	for _, err := range []error{
		os.Mkdir(root+"/bin", 0o755),
		os.WriteFile(root+"/bin/init", nil, 0o755),
		os.WriteFile(root+"/bin/data", nil, 0o644),
		os.Symlink("/bin/init", root+"/absolute"),
		os.Symlink("../../../../bin/init", root+"/above"),
		os.Symlink("loop", root+"/loop"),
		os.Symlink(os.Args[0], root+"/outside"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, init := range []string{"/bin/init", "/absolute", "/above", "bin/init"} {
		if got, err := mount.FindInit(root, []string{"/nope", init}); got != init || err != nil {
			t.Errorf("FindInit(%s) = %q, %v", init, got, err)
		}
	}
	_, err := mount.FindInit(root, []string{"/nope", "/bin/data", "/bin", "/loop", "/outside"})
	var none *mount.NoInitError
	if !errors.As(err, &none) || len(none.Tried) != 5 {
		t.Fatalf("error %v, want a NoInitError with 5 reasons", err)
	}
	want := "/nope: no such file or directory\n/bin/data: not an executable file\n/bin: not an executable file\n" +
		"/loop: too many levels of symbolic links\n/outside: no such file or directory"
	if got := errors.Join(none.Tried...).Error(); got != want {
		t.Errorf("reasons:\n%s\nwant:\n%s", got, want)
	}
}

// TestIntegrationSwitchRefuses sees that a root file system that is no RAM file
// system is not deleted. What Switch does when it does, the QEMU tests see.
func TestIntegrationSwitchRefuses(t *testing.T) {
	testfs.Root(t)
	err := mount.Switch(t.TempDir(), []string{"/init"}, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "not in RAM") {
		t.Errorf("Switch on a disk: %v", err)
	}
}
