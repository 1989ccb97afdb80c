package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// maxReply is how long a line of a helper machine may be.
const maxReply = 1 << 20

// replies reads what a helper machine answers, as it comes.
type replies struct {
	progress Progress
	line     []byte // that is not complete
	done     *poolMade
}

// Write takes some more of the lines.
func (r *replies) Write(p []byte) (int, error) {
	r.line = append(r.line, p...)
	for {
		line, rest, complete := bytes.Cut(r.line, []byte("\n"))
		if !complete {
			break
		}
		if err := r.take(line); err != nil {
			return 0, err
		}
		r.line = rest
	}
	if len(r.line) > maxReply {
		return 0, errors.New("the reply is too long")
	}
	return len(p), nil
}

func (r *replies) take(line []byte) error {
	var one reply
	if err := json.Unmarshal(line, &one); err != nil {
		return fmt.Errorf("read reply: %w", err)
	}
	switch {
	case one.Done != nil:
		r.done = one.Done
	case r.progress != nil:
		r.progress(one.Step, one.Read, one.Total)
	}
	return nil
}

// isReadable says whether we may read what is in a directory or a file. Of others nothing
// is read.
func isReadable(path string, kind fs.FileMode) bool {
	need := uint32(unix.R_OK)
	if kind.IsDir() {
		need |= unix.X_OK
	} else if !kind.IsRegular() {
		return true
	}
	return unix.Faccessat(unix.AT_FDCWD, path, need, unix.AT_EACCESS) == nil
}

// maxListed is how many names an error lists.
const maxListed = 20

// checkReadable wants to be allowed to read all of a tree.
func checkReadable(dir string) error {
	var hidden []string
	more := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if d == nil {
			return err
		}
		if isReadable(path, d.Type()) {
			return nil
		}
		if hidden = append(hidden, path); len(hidden) > maxListed {
			hidden, more = hidden[:maxListed], more+1
		}
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil || hidden == nil {
		return err
	}
	list := strings.Join(hidden, "\n  ")
	if more > 0 {
		list += fmt.Sprintf("\n  and %d more", more)
	}
	return fmt.Errorf("%d files are not yours to read: be root, or give a tar of the tree:\n  %s",
		len(hidden)+more, list)
}
