package helper

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"

	"github.com/freshroot/freshroot/pkg/archive"
)

// loaderCache tells the dynamic loader where libraries are that are in no usual place.
const loaderCache = "/etc/ld.so.cache"

// Program returns what a machine needs to run a program of this one, by the same name:
// the program, in usr/bin, and the libraries that it is linked with, as ldd(1) lists them.
func Program(ctx context.Context, name string) ([]archive.Addition, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, err
	}
	add := []archive.Addition{{Host: path, Path: "usr/bin/" + name}}
	out, err := exec.CommandContext(ctx, "ldd", path).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return add, nil // it is linked statically
	} else if err != nil {
		return nil, fmt.Errorf("find the libraries of %s: %w", path, err)
	}
	// Lines are "libc.so.6 => /lib/libc.so.6 (0x...)" and "/lib64/ld.so (0x...)".
	for line := range strings.Lines(string(out)) {
		for _, word := range strings.Fields(line) {
			if strings.HasPrefix(word, "/") {
				add = append(add, archive.Addition{Host: word, Path: word[1:]})
			}
		}
	}
	if _, err := os.Stat(loaderCache); !errors.Is(err, fs.ErrNotExist) {
		add = append(add, archive.Addition{Host: loaderCache, Path: loaderCache[1:]})
	}
	return add, nil
}
