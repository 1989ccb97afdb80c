package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// requests is where the running system leaves what the next boot shall do, one file for
// each instance.
const requests = "requests"

// ReadRequest reads what was asked for an instance; the zero Request is nothing. It does
// not change the pool.
func ReadRequest(pool *os.File, name string) (reset.Request, error) {
	dir, err := rootfs.OpenDir(pool, control+"/"+requests)
	if errors.Is(err, fs.ErrNotExist) {
		return reset.Request{}, nil
	} else if err != nil {
		return reset.Request{}, err
	}
	defer dir.Close()
	if _, err := unixLstat(dir, name); errors.Is(err, fs.ErrNotExist) {
		return reset.Request{}, nil
	}
	text, err := readSmall(dir, name, reset.MaxRequest+1)
	if err != nil {
		return reset.Request{}, err
	}
	r, err := reset.ParseRequest(text)
	if err != nil || r.Undo == "" {
		return r, err
	}
	if t, err := reset.ParseTrashed(r.Undo); err != nil || t.Instance != name {
		return reset.Request{}, fmt.Errorf("request for %q: %q is of another one", name, r.Undo)
	}
	return r, nil
}

// WriteRequest asks the next boot for something, in the place of what was asked before.
// It is on the disk when the function returns. What a cut leaves in staging, the next
// boot clears.
func WriteRequest(pool *os.File, name string, r reset.Request) error {
	dir, err := openOwn(pool, requests)
	if err != nil {
		return err
	}
	defer dir.Close()
	staging, err := openStaging(pool)
	if err != nil {
		return err
	}
	defer staging.Close()
	f, err := newFile(staging, requests, r.String(), 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := sync(dir); err != nil {
		return err
	}
	if err := renameat(staging, requests, dir, name, 0); err != nil {
		return err
	}
	return sync(dir)
}

// DropRequest forgets what was asked for an instance, on the disk, if there is anything.
func DropRequest(pool *os.File, name string) error {
	dir, err := rootfs.OpenDir(pool, control+"/"+requests)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer dir.Close()
	if _, err := unixLstat(dir, name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(removeAll(dir, name), sync(dir))
}
