// Package pool looks at the members of a mounted pool, and counts their boots.
//
// What counts needs a pool that is mounted writable, the rest only reads. It follows no
// symbolic link: the pool's names and what is behind them are not trusted.
package pool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// maxEntries bounds the memory that a pool's list of names takes.
const maxEntries = 1 << 20

// entriesBuffer is what the kernel is asked for at once: of ten thousand names a fifth.
const entriesBuffer = 128 << 10

// Entries returns the names at the top level of a pool, in no order.
func Entries(pool *os.File) ([]string, error) {
	if _, err := pool.Seek(0, io.SeekStart); err != nil { // it may have been listed before
		return nil, fmt.Errorf("list pool %s: %w", pool.Name(), err)
	}
	var names []string
	buf := make([]byte, entriesBuffer)
	for len(names) < maxEntries {
		n, err := unix.Getdents(int(pool.Fd()), buf)
		if err != nil {
			return nil, fmt.Errorf("list pool %s: %w", pool.Name(), err)
		}
		if n == 0 {
			break
		}
		names = appendNames(names, buf[:n])
	}
	return names, nil
}

// appendNames adds the names of directory entries as the kernel lays them out, struct
// linux_dirent64: inode and offset of 8 bytes each, the length of the entry in 2, the type
// in one, and the name with a zero byte behind it. All names share one string: it is what
// makes this quicker than os.File.Readdirnames by a third.
func appendNames(names []string, entries []byte) []string {
	const lengthAt, nameAt = 16, 19
	text := string(entries)
	for at := 0; at < len(entries); {
		length := int(binary.NativeEndian.Uint16(entries[at+lengthAt:]))
		name := text[at+nameAt : at+length]
		name = name[:strings.IndexByte(name, 0)]
		if name != "." && name != ".." {
			names = append(names, name)
		}
		at += length
	}
	return names
}

// CheckUsr says why a golden master cannot be booted with a kernel: it is no
// subvolume, it is writable (which a half received one is, too), or it has modules
// and none of them are for this kernel. release may be "" if it is not known.
func CheckUsr(pool *os.File, entry, release string) error {
	dir, err := rootfs.OpenDir(pool, entry)
	if err != nil {
		return errors.New("not a directory")
	}
	defer dir.Close()
	if is, err := btrfs.IsSubvolume(dir); err != nil {
		return err
	} else if !is {
		return errors.New("not a subvolume")
	}
	if readOnly, err := btrfs.ReadOnly(dir); err != nil {
		return err
	} else if !readOnly {
		return errors.New("writable: not finished, or not protected (btrfs property set ... ro true)")
	}
	return checkModules(dir, release)
}

// checkModules accepts a golden master without any modules: its kernel has all it
// needs built in, or brings them along.
func checkModules(usr *os.File, release string) error {
	const modules = "lib/modules"
	if release == "" || isMissing(usr, modules) || !isMissing(usr, modules+"/"+release) {
		return nil
	}
	return fmt.Errorf("no modules for kernel %s", release)
}

func isMissing(dir *os.File, name string) bool {
	f, err := rootfs.OpenDir(dir, name)
	if err == nil {
		f.Close()
	}
	return errors.Is(err, fs.ErrNotExist)
}
