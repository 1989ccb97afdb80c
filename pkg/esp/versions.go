package esp

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/freshroot/freshroot/pkg/bls"
	"github.com/freshroot/freshroot/pkg/pool"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/version"
	"github.com/freshroot/freshroot/pkg/volatile"
	"github.com/freshroot/freshroot/pkg/words"
)

// Where a golden master has its kernels: ostree's place.
const (
	modulesDir      = "lib/modules"
	masterKernel    = "vmlinuz"
	masterInitramfs = "initramfs.img"
)

// Versions returns the golden masters of a pool and an architecture (systemd's name)
// with their newest kernels, and why others are passed over. The pool has to stay open
// while the files are read.
func Versions(dir *os.File, arch string) (found []Version, skipped []volatile.Skipped, err error) {
	entries, err := pool.Entries(dir)
	if err != nil {
		return nil, nil, err
	}
	slices.Sort(entries)
	for _, entry := range entries {
		m, err := subvol.Parse(entry)
		if err != nil || m.Kind != subvol.Usr || m.Arch != arch {
			continue
		}
		v, err := check(dir, entry, m)
		if err != nil {
			skipped = append(skipped, volatile.Skipped{Entry: entry, Reason: err.Error()})
			continue
		}
		found = append(found, v)
	}
	return found, skipped, nil
}

// check looks into a golden master, if it is one.
func check(dir *os.File, entry string, m subvol.Member) (Version, error) {
	if err := pool.CheckUsr(dir, entry, ""); err != nil {
		return Version{}, err
	}
	return VersionOf(dir, entry, m)
}

// VersionOf returns what there is to boot in an entry of a directory, be it a golden master
// or what will become one. The directory has to stay open while the files are read.
func VersionOf(dir *os.File, entry string, m subvol.Member) (v Version, err error) {
	v.Usr, v.Entry = m, entry
	usr, err := rootfs.OpenDir(dir, entry)
	if err != nil {
		return v, err
	}
	defer usr.Close()
	fsys := rootfs.FS(usr)
	if v.Release, err = newestKernel(fsys); err != nil {
		return v, err
	}
	v.Title = title(fsys)
	if v.Kernel, err = inside(dir, entry, path.Join(modulesDir, v.Release, masterKernel)); err == nil {
		v.Initramfs, err = inside(dir, entry, path.Join(modulesDir, v.Release, masterInitramfs))
	}
	return v, err
}

// newestKernel returns the release of the newest kernel in a /usr.
func newestKernel(usr fs.FS) (string, error) {
	dirs, err := fs.ReadDir(usr, modulesDir)
	if err != nil {
		return "", fmt.Errorf("no %s: %w", modulesDir, err)
	}
	var newest string
	for _, d := range dirs {
		info, err := fs.Stat(usr, path.Join(modulesDir, d.Name(), masterKernel))
		newer := newest == "" || version.Compare(d.Name(), newest) > 0
		if err == nil && info.Mode().IsRegular() && newer {
			newest = d.Name()
		}
	}
	if newest == "" {
		return "", fmt.Errorf("no %s/*/%s", modulesDir, masterKernel)
	}
	return newest, nil
}

// inside returns a file of a golden master. It is opened by its name each time, so that
// nothing is open in between.
func inside(dir *os.File, entry, name string) (File, error) {
	open := func() (io.ReadCloser, error) {
		usr, err := rootfs.OpenDir(dir, entry)
		if err != nil {
			return nil, err
		}
		defer usr.Close()
		return rootfs.FS(usr).Open(name)
	}
	f, err := open()
	if err != nil {
		return File{}, fmt.Errorf("no %s: %w", name, err)
	}
	defer f.Close()
	info, err := f.(fs.File).Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", name)
	}
	if err != nil {
		return File{}, err
	}
	return File{info.Size(), open}, nil
}

// title is what os-release(5) calls the OS.
func title(usr fs.FS) string {
	const longest, unknown = 64 << 10, "Linux"
	f, err := usr.Open("lib/os-release")
	if err != nil {
		return unknown
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, longest))
	if err != nil {
		return unknown // a menu does not need more than the version
	}
	release := string(text)
	return cmp.Or(words.Assignment(release, "PRETTY_NAME"), words.Assignment(release, "NAME"), unknown)
}

// Programs returns systemd-boot and systemd's stub from a /usr, or what it lacks of them
// from the next one. Ones that the distribution has signed are preferred, as bootctl(1)
// does.
func Programs(usr fs.FS, arch string, next ...fs.FS) (boot, stub File) {
	const dir = "lib/systemd/boot/efi"
	name := bls.Arch(arch)
	for _, usr := range append([]fs.FS{usr}, next...) {
		if boot.Open == nil {
			boot = findProgram(usr, dir+"/systemd-boot"+name+".efi")
		}
		if stub.Open == nil {
			stub = findProgram(usr, dir+"/linux"+name+".efi.stub")
		}
	}
	return boot, stub
}

func findProgram(usr fs.FS, name string) File {
	for _, name := range []string{name + ".signed", name} {
		info, err := fs.Stat(usr, name)
		if err == nil && info.Mode().IsRegular() {
			return File{info.Size(), func() (io.ReadCloser, error) { return usr.Open(name) }}
		}
	}
	return File{}
}
