package guest_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/google/go-cmp/cmp"
)

// needRoot skips a test that builds or boots a guest.
func needRoot(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and boots guests")
	}
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("must be root under CI")
	}
	t.Skip("must be root")
}

func busybox(t *testing.T) *guest.Tree {
	t.Helper()
	needRoot(t)
	tree, err := guest.Busybox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func debian(t *testing.T) *guest.Tree {
	t.Helper()
	needRoot(t)
	tree, err := guest.Debian(t.Context(), "bookworm")
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func openrc(t *testing.T) *guest.Tree {
	t.Helper()
	needRoot(t)
	tree, err := guest.OpenRC(t.Context(), "bookworm")
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// TestIntegrationTreeLint checks what a golden master must be, whatever is in it.
func TestIntegrationTreeLint(t *testing.T) {
	for name, build := range map[string]func(*testing.T) *guest.Tree{
		"busybox": busybox, "debian": debian, "openrc": openrc,
	} {
		t.Run(name, func(t *testing.T) {
			tree := build(t)
			for _, path := range []string{
				"usr/bin/sh", "usr/bin/mount", "usr/sbin/init", "usr/lib/os-release",
				"usr/share/factory/etc/passwd", "usr/share/factory/var/lib",
			} {
				if !exists(tree.Dir, path) {
					t.Errorf("%s is missing", path)
				}
			}
			for _, path := range []string{
				"etc", "var", "bin", "lib", "usr/share/factory/etc/fstab",
				"usr/share/factory/etc/hostname", "usr/share/factory/etc/resolv.conf",
			} {
				if exists(tree.Dir, path) {
					t.Errorf("%s should not be there", path)
				}
			}
			checkLinks(t, filepath.Join(tree.Dir, "usr"))
		})
	}
}

func exists(dir, path string) bool {
	_, err := os.Lstat(filepath.Join(dir, path))
	return err == nil
}

// checkLinks finds links that lead out of the image: to the build directory, that is.
func checkLinks(t *testing.T, usr string) {
	t.Helper()
	err := filepath.WalkDir(usr, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type() != fs.ModeSymlink {
			return err
		}
		target, err := os.Readlink(path)
		if strings.Contains(target, filepath.Base(filepath.Dir(usr))) {
			t.Errorf("%s links to %s", path, target)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestIntegrationBusyboxFactory asks other programs what the factory's files are.
func TestIntegrationBusyboxFactory(t *testing.T) {
	factory := filepath.Join(busybox(t).Dir, "usr/share/factory")
	for _, test := range []struct {
		want    string
		command []string
	}{
		{"640 0 8 regular file\n", stat("etc/shadow")},
		{"600 1000 1001 regular file\n", stat("etc/linked")},
		{"700 1000 1001 directory\n", stat("etc/empty.d")},
		{"4755 2 0 regular empty file\n", stat("var/lib/setuid")},
		{"2755 0 8 regular empty file\n", stat("var/lib/setgid")},
		{"1777 0 0 directory\n", stat("var/tmp")},
		{"2775 0 8 directory\n", stat("var/mail")},
		{"620 2 0 fifo\n", stat("var/lib/fifo")},
		{"666 0 0 character special file\n", stat("var/lib/null")},
		{"2\n", []string{"stat", "-c", "%h", "etc/linked"}},
		{"0 67108864\n", []string{"stat", "-c", "%b %s", "var/lib/sparse"}},
		{"/nowhere/at all\n", []string{"readlink", "etc/dangling"}},
		{"var/lib/capable cap_net_raw=ep\n", []string{"getcap", "var/lib/capable"}},
		{"# file: etc/xattr\nuser.guest=0x627974657300ff\n\n",
			[]string{"getfattr", "-e", "hex", "-n", "user.guest", "etc/xattr"}},
		{"user::rw-\nuser:1000:rw-\ngroup::r--\ngroup:8:r--\nmask::rw-\nother::---\n\n",
			[]string{"getfacl", "-nc", "etc/acl"}},
	} {
		cmd := exec.Command(test.command[0], test.command[1:]...)
		cmd.Dir = factory
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%q: %v\n%s", test.command, err, out)
			continue
		}
		if diff := cmp.Diff(test.want, string(out)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.command, diff)
		}
	}
}

func stat(path string) []string { return []string{"stat", "-c", "%a %u %g %F", path} }

// TestIntegrationDebianFactory looks for what must not be the same on two machines.
func TestIntegrationDebianFactory(t *testing.T) {
	factory := filepath.Join(debian(t).Dir, "usr/share/factory")
	id, err := os.ReadFile(filepath.Join(factory, "etc/machine-id"))
	if err != nil || len(id) != 0 {
		t.Errorf("machine-id is %q (%v), want it empty", id, err)
	}
	if mtab, err := os.Readlink(filepath.Join(factory, "etc/mtab")); err != nil ||
		mtab != "../proc/self/mounts" {
		t.Errorf("mtab links to %q (%v)", mtab, err)
	}
	for _, dir := range []string{"var/log", "var/lib/apt/lists", "var/tmp"} {
		err := fs.WalkDir(os.DirFS(factory), dir, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				t.Errorf("%s is in the factory", name)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	shadow, err := os.ReadFile(filepath.Join(factory, "etc/shadow"))
	if err != nil || !strings.Contains("\n"+string(shadow), "\nroot:*:") {
		t.Errorf("root has a password, or none is needed (%v):\n%s", err, shadow)
	}
}

func TestIntegrationInitramfs(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	extra, cpio := filepath.Join(dir, "extra"), filepath.Join(dir, "cpio")
	if err := errors.Join(os.MkdirAll(filepath.Join(extra, "a/b"), 0o755),
		os.WriteFile(filepath.Join(extra, "a/b/c"), []byte("c"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := guest.Initramfs(t.Context(), cpio, "#!/bin/sh\n", extra); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("cpio", "-t", "--quiet", "-F", cpio).Output()
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(out))
	for _, want := range []string{"init", "bin/busybox", "bin/sh", "dev", "run", "a/b/c"} {
		if !slices.Contains(names, want) {
			t.Errorf("the archive lacks %s", want)
		}
	}
}

func TestDebianRefuses(t *testing.T) {
	for _, suite := range []string{"", "../x", "a b", "-x", "Bookworm"} {
		_, err := guest.Debian(t.Context(), suite)
		if err == nil || !strings.Contains(err.Error(), "no suite") {
			t.Errorf("suite %q: %v", suite, err)
		}
	}
}
