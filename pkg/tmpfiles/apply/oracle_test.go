package apply_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/internal/trixie"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/tmpfiles"
	"github.com/freshroot/freshroot/pkg/tmpfiles/apply"
)

// accounts are what names in the tests' lines mean.
var accounts = map[string]string{
	"etc/passwd": "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/:/bin/sh\nbob:x:1001:1001::/:/bin/sh\n",
	"etc/group":  "root:x:0:\nada:x:1000:\nbob:x:1001:\nstaff:x:50:\n",
}

// where are two directories of one file system: systemd-tmpfiles works in the one, in a
// chroot, so that links mean the same to both, and this package in the other.
type where struct {
	theirs, ours string
	argv         []string
	leftOut      uint64 // cases in which the two differ on purpose
}

// newWhere prepares two roots below dir.
func newWhere(t testing.TB, dir string) *where {
	t.Helper()
	return newWhereIn(t, func(name string) string { return filepath.Join(dir, name) })
}

// newWhereIn prepares two roots that root makes, or only names.
func newWhereIn(t testing.TB, root func(name string) string) *where {
	t.Helper()
	testfs.Root(t)
	program := trixie.Tmpfiles(t) // or skips
	argv, err := trixie.Argv(filepath.Dir(program), "/oracle", "systemd-tmpfiles")
	if err != nil {
		t.Fatal(err)
	}
	unix.Umask(0)
	w := &where{theirs: root("theirs"), ours: root("ours"), argv: argv}
	for _, root := range []string{w.theirs, w.ours} {
		mkdir(t, root+"/etc", root+"/w", root+"/proc", root+"/oracle", root+"/run")
		for name, text := range accounts {
			write(t, filepath.Join(root, name), text)
		}
	}
	mount(t, filepath.Dir(program), w.theirs+"/oracle", "", unix.MS_BIND)
	mount(t, "proc", w.theirs+"/proc", "proc", 0)
	return w
}

func mount(t testing.TB, source, target, kind string, flags uintptr) {
	t.Helper()
	if err := unix.Mount(source, target, kind, flags, ""); err != nil {
		t.Fatalf("mount %s: %v", target, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", target, err)
		}
	})
}

func mkdir(t testing.TB, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// fixed are the names at the top of the roots that lines are not about.
var fixed = []string{"etc", "oracle", "proc", "run"}

// clear empties the roots, and makes the directory that the lines are about.
func (w *where) clear(t testing.TB) {
	t.Helper()
	for _, root := range []string{w.theirs, w.ours} {
		entries, err := os.ReadDir(root)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if slices.Contains(fixed, e.Name()) {
				continue
			}
			if err := os.RemoveAll(filepath.Join(root, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
		mkdir(t, root+"/w")
		// A case may have come to the root by way of a link.
		_ = unix.Removexattr(root, "system.posix_acl_access")
		_ = unix.Removexattr(root, "system.posix_acl_default")
		if err := errors.Join(os.Chown(root, 0, 0), os.Chmod(root, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
}

// options are the arguments of systemd-tmpfiles for operations.
func options(ops apply.Operations, boot bool) (args []string) {
	for _, o := range []struct {
		op   apply.Operations
		name string
	}{
		{apply.Create, "--create"}, {apply.Remove, "--remove"},
		{apply.Clean, "--clean"}, {apply.Purge, "--purge"},
	} {
		if ops&o.op != 0 {
			args = append(args, o.name)
		}
	}
	if boot {
		args = append(args, "--boot")
	}
	return args
}

// runTheirs runs systemd-tmpfiles and returns its exit status and what it says. Without
// configuration, it takes that in the directories, but for what is not on a disk.
func (w *where) runTheirs(t testing.TB, config string, ops apply.Operations) (int, string) {
	t.Helper()
	args := append(w.argv[1:len(w.argv):len(w.argv)], options(ops, true)...)
	if config == "" {
		args = append(args, "-E")
	} else {
		args = append(args, "-")
	}
	cmd := exec.Command(w.argv[0], args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: w.theirs}
	cmd.Dir = "/"
	cmd.Stdin = strings.NewReader(config)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), said.String()
}

// runOurs does the same with this package.
func (w *where) runOurs(t testing.TB, config string, ops apply.Operations) (int, string) {
	t.Helper()
	return applyTo(t, w.ours, config, ops)
}

// applyTo applies configuration to a root, and returns the exit status that
// systemd-tmpfiles would have, and what is wrong.
func applyTo(t testing.TB, dir, config string, ops apply.Operations) (int, string) {
	t.Helper()
	root := testfs.Open(t, dir)
	defer root.Close()
	system := apply.NewSystem(root)
	opts := system.Options(tmpfiles.Options{Boot: true})
	var sources tmpfiles.Sources
	if config == "" {
		opts.Exclude = []string{"/dev", "/proc", "/run", "/sys"}
	} else {
		sources.Given = []tmpfiles.Source{{Name: "<stdin>", Reader: strings.NewReader(config)}}
	}
	parsed, problems, err := tmpfiles.LoadFrom(rootfs.FS(root), sources, opts)
	if err != nil {
		return 1, err.Error()
	}
	status := 0
	err = apply.Apply(root, parsed, apply.Options{
		Operations: ops, User: system.User, Group: system.Group,
		Report: func(p tmpfiles.Problem) { problems = append(problems, p) },
	})
	if err != nil {
		status = 73
	}
	var said strings.Builder
	for _, p := range problems {
		if p.Class == tmpfiles.Invalid {
			status = 65
		}
		said.WriteString(p.Error() + "\n")
	}
	return status, said.String()
}

// begin is what times are compared with. File systems look at a clock of their own that
// is behind by some milliseconds.
func begin() time.Time { return time.Now().Add(-time.Second) }
