package esp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/freshroot/freshroot/pkg/program"
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
	err = program.Run(ctx, nil, "sbsign", "--key", s.Key, "--cert", s.Cert, "--output", out, in)
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
