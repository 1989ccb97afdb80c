package instance

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// goodBoots is the directory of files named like an entry of the trash, less its instance:
// that may get another name. They have a line for each good boot since, its boot_id.
const goodBoots = "good-boots"

// MaxGoodBoots is how many good boots can be waited for at most.
const MaxGoodBoots = 1000

// maxBootID is the length of the kernel's boot_id, a UUID.
const maxBootID = 36

// GoodBoot notes that an instance has booted well, and deletes those of its old states
// that have seen this many such boots, at most [MaxGoodBoots]; 0 deletes none. The same
// boot counts once. What the next boot is to bring back stays.
func GoodBoot(pool *os.File, name, bootID string, enough int) (purged []reset.Trashed, err error) {
	trash, err := Trash(pool)
	if err != nil || enough == 0 {
		return nil, err
	}
	dir, err := openGoodBoots(pool, len(trash) > 0)
	if dir == nil || err != nil {
		return nil, err
	}
	defer dir.Close()
	request, err := ReadRequest(pool, name)
	for _, t := range trash {
		if t.Instance != name || err != nil || t.String() == request.Undo {
			continue
		}
		var seen int
		if seen, err = noteBoot(dir, suffix(t), bootID, enough); seen >= enough {
			purged = append(purged, t)
		}
	}
	if err == nil && len(purged) > 0 {
		err = Purge(pool, purged)
	}
	return purged, errors.Join(err, dropNotes(pool, dir), sync(dir))
}

// openGoodBoots opens the directory; nil if there is none, and none is needed.
func openGoodBoots(pool *os.File, needed bool) (*os.File, error) {
	if needed {
		return openOwn(pool, goodBoots)
	}
	dir, err := rootfs.OpenDir(pool, control+"/"+goodBoots)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return dir, err
}

// suffix is what is left of an entry's name when its instance has another one.
func suffix(t reset.Trashed) string { return strings.TrimPrefix(t.String(), t.Instance+"@") }

// noteBoot adds a boot to a file, and returns how many it has then. A cut of power may
// lose the file, and what it is of stays longer.
func noteBoot(dir *os.File, name, bootID string, enough int) (int, error) {
	text, err := readSmall(dir, name, enough*(maxBootID+1))
	if err != nil {
		return 0, err
	}
	seen := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if text == "" {
		seen = nil
	}
	if slices.Contains(seen, bootID) {
		return len(seen), nil
	}
	f, err := newFile(dir, name, text+bootID+"\n", 0o600)
	if err != nil {
		return 0, err
	}
	return len(seen) + 1, f.Close()
}

// dropNotes removes the files of what is no longer in the trash.
func dropNotes(pool, dir *os.File) error {
	trash, err := Trash(pool)
	if err != nil {
		return err
	}
	names, err := listDir(dir)
	for _, name := range names {
		isThis := func(t reset.Trashed) bool { return suffix(t) == name }
		if !slices.ContainsFunc(trash, isThis) {
			err = errors.Join(err, removeAll(dir, name))
		}
	}
	return err
}
