package qemutests_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/freshroot/freshroot/qemu-tests/image"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// longest is a name as long as a name can be.
var longest = strings.Repeat("n", 255)

// hostileFactory puts into a factory what could lead a careless copy astray.
func hostileFactory(root string) error {
	factory := filepath.Join(root, "share/factory")
	in := func(path string) string { return filepath.Join(factory, path) }
	return errors.Join(
		os.Symlink("/usr/lib", in("etc/absolute")),
		os.Symlink("../../../../../../usr/lib", in("etc/up")),
		os.Symlink("loop", in("etc/loop")),
		os.WriteFile(in("etc/"+longest), nil, 0o644),
		os.MkdirAll(in("var/"+longest+"/"+longest), 0o755),
		unix.Mknod(in("var/node"), unix.S_IFBLK|0o600, int(unix.Mkdev(254, 0))),
		// These belong to the OS and to the kernel.
		os.MkdirAll(in("usr/lib"), 0o755),
		os.WriteFile(in("usr/lib/evil"), nil, 0o644),
		os.MkdirAll(in("dev"), 0o755),
		os.WriteFile(in("dev/evil"), nil, 0o644),
		os.Symlink("/pool", in("run")),
		os.Symlink("/etc", in("proc")),
		// This may be in a factory, and is to be a link and no more.
		os.Symlink("/pool/.freshroot", in("home")),
	)
}

// TestIntegrationHostileFactory boots a golden master with such a factory.
func TestIntegrationHostileFactory(t *testing.T) {
	look := guest.RunArg(strings.Join([]string{
		"for link in /etc/absolute /etc/up /etc/loop /home; do readlink $link; done",
		"ls -1d /etc/nnn* /var/nnn*/nnn* | wc -c",
		"stat -c '%F %t,%T %a' /var/node",
		"for path in /usr/lib/evil /dev/evil; do [ -e $path ] || echo no $path; done",
		"for dir in /run /proc; do [ -L $dir ] || echo $dir is no link; done",
		"ls /usr/share/factory/usr/lib/evil",
	}, "\n"))
	want := "/usr/lib\n../../../../../../usr/lib\nloop\n/pool/.freshroot\n" +
		"778\n" + // the lengths of both paths
		"block special file fe,0 600\n" +
		"no /usr/lib/evil\nno /dev/evil\n" +
		"/run is no link\n/proc is no link\n" +
		"/usr/share/factory/usr/lib/evil\n"
	for _, mode := range []string{"yes", "no"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, disk(t, pool(guest.Pool(master(t, "1.0", hostileFactory)))))
			r := m.boot("volatile=" + mode + " " + look)
			if diff := cmp.Diff(want, r.RunOutput); diff != "" {
				t.Errorf("what the guest sees (-want +got):\n%s", diff)
			}
			// An instance that is there is completed, and nothing of it changes.
			if r := m.boot("volatile=" + mode + " " + look); r.RunOutput != want {
				t.Errorf("after the second boot: %s", r.RunOutput)
			}
		})
	}
}

// hostileInstance makes an instance, lets edit change it, and puts it into a pool.
func hostileInstance(t *testing.T, edit func(top, root string) error) *machine {
	t.Helper()
	populate := guest.Pool(master(t, "1.0", nil))
	return newMachine(t, disk(t, pool(func(top string) error {
		if err := populate(top); err != nil {
			return err
		}
		root := filepath.Join(top, instance)
		return errors.Join(
			image.Subvolume(root),
			image.Subvolume(filepath.Join(root, "etc")),
			image.Subvolume(filepath.Join(root, "var")),
			os.WriteFile(filepath.Join(root, "etc/mine"), nil, 0o644),
			os.WriteFile(filepath.Join(root, "var/mine"), nil, 0o644),
			edit(top, root),
		)
	})))
}

// replaceByLink puts a link in the place of what is in an instance.
func replaceByLink(name, target string) func(top, root string) error {
	return func(_, root string) error {
		path := filepath.Join(root, name)
		return errors.Join(os.RemoveAll(path), os.Symlink(target, path))
	}
}

// TestIntegrationHostileInstance boots with an instance that would lead what is written
// or mounted out of the new root. The screen says so; what the links lead to is left
// alone.
func TestIntegrationHostileInstance(t *testing.T) {
	const (
		outside    = "../" + usr + "1.0/lib"
		unwritable = "the instance " + instance + " cannot be written"
		loop       = "too many levels of symbolic links"
	)
	for _, test := range []struct {
		name, mode string
		edit       func(top, root string) error
		want       []string
	}{
		{"etc", "no", replaceByLink("etc", "/run"), []string{unwritable, `/etc": ` + loop}},
		{"var", "state", replaceByLink("var", outside), []string{unwritable, `/var": ` + loop}},
		{"usr in an overlay", "overlay", replaceByLink("usr", "/run"), []string{
			`mount on "/sysroot/usr": it is a symbolic link, not a directory`,
		}},
		{"usr", "no", replaceByLink("usr", "/"), []string{
			`mount on "/sysroot/usr": it is a symbolic link, not a directory`,
		}},
		{"dev", "no", replaceByLink("dev", "/run"), []string{
			`mount on "/sysroot/dev": it is a symbolic link, not a directory`,
		}},
		// By then the console's devices have been moved away.
		{"sys", "no", replaceByLink("sys", outside), []string{
			`mount on "/sysroot/sys": it is a symbolic link, not a directory`,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := hostileInstance(t, test.edit)
			screen{cmdline: "volatile=" + test.mode, want: test.want}.check(t, m)
			inPool(t, m, func(top string) error {
				_, err := os.Stat(filepath.Join(top, usr+"1.0/lib/os-release"))
				return err
			})
		})
	}
}

// TestIntegrationKeepsWhatExists boots an instance that has other things than the
// factory in the factory's places, and of which nobody knows what populated it.
func TestIntegrationKeepsWhatExists(t *testing.T) {
	t.Parallel()
	m := hostileInstance(t, func(_, root string) error {
		return errors.Join(
			os.Symlink("/run", filepath.Join(root, "home")),
			os.Symlink("/nowhere", filepath.Join(root, "etc/passwd")),
			os.WriteFile(filepath.Join(root, "mnt"), []byte("a file\n"), 0o644),
		)
	})
	r := m.boot("volatile=no " + guest.RunArg(
		"readlink /home; readlink /etc/passwd; cat /mnt; ls -1 /etc/mine /etc/passwd.*"))
	want := "/run\n/nowhere\na file\n/etc/mine\n/etc/passwd.freshroot-new\n"
	if diff := cmp.Diff(want, r.RunOutput); diff != "" {
		t.Errorf("what the guest sees (-want +got):\n%s", diff)
	}
}

// TestIntegrationRepairs boots an instance whose /etc is empty and whose /var is gone:
// both come from the factory, and the rest stays.
func TestIntegrationRepairs(t *testing.T) {
	t.Parallel()
	m := hostileInstance(t, func(_, root string) error {
		return errors.Join(
			os.Remove(filepath.Join(root, "etc/mine")),
			os.RemoveAll(filepath.Join(root, "var")),
			os.WriteFile(filepath.Join(root, "kept"), []byte("kept\n"), 0o644),
		)
	})
	r := m.boot("volatile=no " + guest.RunArg("cat /kept; ls -1d /etc/passwd /var/lib"))
	if diff := cmp.Diff("kept\n/etc/passwd\n/var/lib\n", r.RunOutput); diff != "" {
		t.Errorf("what the guest sees (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"etc", "var"}, r.boot.Made); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
}
