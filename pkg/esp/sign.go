package esp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// signed is a file that was signed, in a directory of its own.
type signed struct {
	dir  string
	file File
}

func (s signed) remove() { os.RemoveAll(s.dir) }

// sign lets sbsign(1) sign an EFI program. It works on files with names; the partition is
// spared an unsigned one.
func (s *Signer) sign(ctx context.Context, f File) (result signed, err error) {
	dir, err := os.MkdirTemp("", "freshroot-sign")
	if err != nil {
		return result, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := f.save(ctx, in); err != nil {
		return result, fmt.Errorf("sign: %w", err)
	}
	err = run(ctx, nil, "sbsign", "--key", s.Key, "--cert", s.Cert, "--output", out, in)
	if err != nil {
		return result, err
	}
	info, err := os.Stat(out)
	if err != nil {
		return result, err
	}
	open := func() (io.ReadCloser, error) { return os.Open(out) }
	return signed{dir, File{info.Size(), open}}, nil
}

// save writes the content to a new file.
func (f File) save(ctx context.Context, path string) error {
	dst, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(f.copyTo(ctx, dst), dst.Close())
}

// packages are those of Debian that have the programs which are run.
var packages = map[string]string{
	"sbsign": "sbsigntool", "mkfs.fat": "dosfstools", "mcopy": "mtools", "mmd": "mtools",
}

// run runs a program, with more variables in its environment. The error has what it
// printed.
func run(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%s is missing: install %s", name, packages[name])
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}
