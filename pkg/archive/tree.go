package archive

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/u-root/u-root/pkg/cpio"
)

// tree is the files of an archive by their path, which has no slash in front.
type tree map[string]cpio.Record

// baseTree returns what every initramfs has: places to mount on, and what a program
// needs before /dev is mounted. The kernel opens /dev/console for the init.
func baseTree() tree {
	files := tree{}
	for _, dir := range []string{"dev", "pool", "proc", "run", "sys", "sysroot"} {
		files[dir] = cpio.Directory(dir, 0o755)
	}
	for _, node := range []cpio.Record{
		cpio.CharDev("dev/console", 0o600, 5, 1),
		cpio.CharDev("dev/kmsg", 0o600, 1, 11),
		cpio.CharDev("dev/null", 0o666, 1, 3),
	} {
		files[node.Name] = node
	}
	return files
}

// add adds a file with its parents. The kernel does not make missing directories, it
// leaves out what should be in them.
func (t tree) add(file cpio.Record) error {
	if !fs.ValidPath(file.Name) || file.Name == "." {
		return fmt.Errorf("add %q: want a relative path that has no .. in it", file.Name)
	}
	if _, ok := t[file.Name]; ok {
		return fmt.Errorf("add /%s: the archive has such a file already", file.Name)
	}
	for dir := path.Dir(file.Name); dir != "."; dir = path.Dir(dir) {
		parent, ok := t[dir]
		if ok && parent.Mode&cpio.S_IFMT != cpio.S_IFDIR {
			return fmt.Errorf("add /%s: /%s is a file", file.Name, dir)
		}
		if !ok {
			t[dir] = cpio.Directory(dir, 0o755)
		}
	}
	t[file.Name] = file
	return nil
}

// addAll adds files, up to the first that cannot be added.
func (t tree) addAll(list []cpio.Record) error {
	for _, file := range list {
		if err := t.add(file); err != nil {
			return err
		}
	}
	return nil
}

// size is the size of all files.
func (t tree) size() (n int64) {
	for _, file := range t {
		n += int64(file.FileSize)
	}
	return n
}

// pack returns the cpio archive. Sorted by path, a directory is ahead of its files.
func (t tree) pack(mtime time.Time) ([]byte, error) {
	var out bytes.Buffer
	w := cpio.Newc.Writer(&out)
	for i, name := range slices.Sorted(maps.Keys(t)) {
		file := cpio.MakeReproducible(t[name])
		// The kernel takes files of one inode and more links for one file.
		file.Ino, file.NLink = uint64(i+1), 1
		if !mtime.IsZero() {
			file.MTime = uint64(mtime.Unix())
		}
		if err := w.WriteRecord(file); err != nil {
			return nil, fmt.Errorf("pack /%s: %w", name, err)
		}
	}
	if err := cpio.WriteTrailer(w); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	return out.Bytes(), nil
}

// Addition is a file of the host that is added to the archive.
type Addition struct {
	Host string // the file here
	Path string // and there, as in "bin/sh"
}

// ParseAddition reads HOSTFILE or HOSTFILE:PATH. Without a path the file is added
// where it is here.
func ParseAddition(s string) (Addition, error) {
	host, guest, ok := strings.Cut(s, ":")
	if !ok {
		abs, err := filepath.Abs(host)
		if err != nil {
			return Addition{}, fmt.Errorf("add %q: %w", s, err)
		}
		guest = abs
	}
	guest = strings.TrimPrefix(path.Join("/", guest), "/")
	if host == "" || guest == "" {
		return Addition{}, fmt.Errorf("add %q: want HOSTFILE or HOSTFILE:PATH", s)
	}
	return Addition{Host: host, Path: guest}, nil
}

// addFile adds a file of the host with its permissions. Links are followed: where
// they lead to here says nothing about the initramfs.
func addFile(files tree, a Addition) error {
	f, err := os.Open(a.Host)
	if err != nil {
		return fmt.Errorf("add /%s: %w", a.Path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("add /%s: %w", a.Path, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("add /%s: %s is no regular file", a.Path, a.Host)
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return fmt.Errorf("add /%s: %w", a.Path, err)
	}
	perm := uint64(info.Mode().Perm())
	return files.add(cpio.StaticFile(a.Path, string(data), perm))
}
