package directboot

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"strings"

	"github.com/freshroot/freshroot/pkg/gpt"
)

// esp is the EFI system partition of an image.
type esp struct {
	image  *os.File
	offset int64
}

// openESP finds the partition in the table.
func openESP(image *os.File) (esp, error) {
	size, err := image.Seek(0, io.SeekEnd) // of a block device, too
	if err != nil {
		return esp{}, err
	}
	table, err := gpt.Probe(image, size)
	if err != nil {
		return esp{}, err
	}
	for _, p := range table.Partitions {
		if p.Type.String() == gpt.ESP {
			return esp{image, p.Offset}, nil
		}
	}
	return esp{}, errors.New("no EFI system partition")
}

// maxList bounds the names of all files on the partition, in bytes.
const maxList = 4 << 20

// list returns the paths of all files and directories.
func (e esp) list(ctx context.Context) (paths []string, err error) {
	var out bytes.Buffer
	if err := e.mtool(ctx, &limited{&out, maxList}, "mdir", "-b", "-/", "::/"); err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(&out); lines.Scan(); {
		if p, ok := strings.CutPrefix(lines.Text(), "::"); ok {
			paths = append(paths, p)
		}
	}
	return paths, nil
}

// copy writes files of the partition, one behind the other, as the kernel wants several
// archives, to one of ours.
func (e esp) copy(ctx context.Context, to string, files ...string) error {
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, file := range files {
		if err := e.read(ctx, file, f, maxFile); err != nil {
			return err
		}
	}
	return f.Close()
}

// read writes a file of the partition, of at most longest bytes, to w.
func (e esp) read(ctx context.Context, file string, w io.Writer, longest int64) error {
	return e.mtool(ctx, &limited{w, longest}, "mtype", "::"+path.Join("/", file))
}

// mtool runs one of the mtools on the partition.
func (e esp) mtool(ctx context.Context, out io.Writer, name string, args ...string) error {
	// The file as it is open: a path may have a meaning for mtools.
	args = append([]string{"-i", fmt.Sprintf("/proc/self/fd/3@@%d", e.offset)}, args...)
	cmd := exec.CommandContext(ctx, name, args...)
	var words bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = out, &words, []*os.File{e.image}
	// It is strict about the size of disks, which an ESP within an image is not.
	cmd.Env = append(os.Environ(), "MTOOLS_SKIP_CHECK=1", "MTOOLSRC=/dev/null")
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("%w: install the package mtools", err)
	case err != nil:
		return fmt.Errorf("%s %q: %w: %s", name, args[len(args)-1], err, bytes.TrimSpace(words.Bytes()))
	}
	return nil
}

// limited is a writer that fails beyond a number of bytes.
type limited struct {
	w    io.Writer
	left int64
}

// errTooLarge is the end of what makes no sense any more.
var errTooLarge = errors.New("too large")

// Write passes p on, as long as there is room.
func (l *limited) Write(p []byte) (int, error) {
	if l.left -= int64(len(p)); l.left < 0 {
		return 0, errTooLarge
	}
	return l.w.Write(p)
}
