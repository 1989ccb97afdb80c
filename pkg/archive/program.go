package archive

import (
	"fmt"
	"os/exec"
	"path"
	"strings"

	"github.com/u-root/mkuimage/ldd"
)

// Program returns what an initramfs needs to run a program of this machine: the program, in
// bin, and the libraries that it is linked with. The error is exec.ErrNotFound if there is no
// such program in PATH.
func Program(name string) ([]Addition, error) {
	file, err := exec.LookPath(name)
	if err != nil {
		return nil, err
	}
	libraries, err := ldd.List(file)
	if err != nil {
		return nil, fmt.Errorf("libraries of %s: %w", file, err)
	}
	add := []Addition{{Host: file, Path: path.Join("bin", name)}}
	for _, library := range libraries {
		add = append(add, Addition{Host: library, Path: strings.TrimPrefix(library, "/")})
	}
	return add, nil
}
