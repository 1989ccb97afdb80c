package pool

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// givenBack is the directory of files named like a version. They have the number of its
// subvolume, by which one that comes in its place is told from it, a space, and a plus for
// each try that it got back.
const givenBack = ".freshroot/given-back"

// note adds a try to the file of a version, if it may have one more.
func note(pool *os.File, entry, version string) error {
	if err := makeOwn(pool, givenBack); err != nil {
		return err
	}
	dir, err := rootfs.OpenDir(pool, givenBack)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dropGone(pool, dir); err != nil {
		return err
	}
	text, err := noted(pool, dir, entry, version)
	if err != nil {
		return err
	}
	if strings.Count(text, "+") >= maxGivenBack {
		return ErrGivenBack
	}
	return replaceFile(pool, dir, version, []byte(text+"+"))
}

// noted returns what is noted of a version, or what its file begins with if nothing is.
func noted(pool, dir *os.File, entry, version string) (string, error) {
	usr, err := rootfs.OpenDir(pool, entry)
	if err != nil {
		return "", err
	}
	defer usr.Close()
	id, err := btrfs.SubvolumeID(usr)
	if err != nil {
		return "", err
	}
	begin := strconv.FormatUint(id, 10) + " "
	f, err := rootfs.FS(dir).Open(version)
	if errors.Is(err, fs.ErrNotExist) {
		return begin, nil
	} else if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, int64(len(begin)+maxGivenBack)))
	if !strings.HasPrefix(string(text), begin) {
		return begin, err
	}
	return string(text), err
}
