// Package parcel carries a file or a directory from one machine to another, as a tar.
//
// It keeps content, modes, symbolic links, and the times of files. Owners become those of
// who unpacks: the users of one machine are not those of the other. For a tree of an OS,
// with all that it has, there is package source.
//
// The first entry of the tar is named "." and is what was packed. What is unpacked is hostile:
// nothing outside of the target is touched, and no more than a limit is written. Files of
// other kinds (devices, sockets, FIFOs) are refused on both sides.
package parcel

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// root is the name of the first entry.
const root = "."

// Pack writes what is at a path. A symbolic link there is followed, those below are kept.
func Pack(ctx context.Context, w io.Writer, path string) error {
	tw := tar.NewWriter(writer{ctx, w})
	if err := pack(tw, path); err != nil {
		return fmt.Errorf("pack %q: %w", path, err)
	}
	if err := tw.Close(); err != nil {
		return fmt.Errorf("pack %q: %w", path, err)
	}
	return nil
}

func pack(tw *tar.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return errors.New("neither a file nor a directory")
	}
	header, err := tar.FileInfoHeader(info, "")
	if err != nil {
		return err
	}
	header.Name = root
	if err := tw.WriteHeader(header); err != nil {
		return err
	}
	if info.IsDir() {
		return tw.AddFS(os.DirFS(path))
	}
	_, err = io.Copy(tw, f)
	return err
}

// writer ends with a context.
type writer struct {
	ctx context.Context
	w   io.Writer
}

// Write passes p on, unless the context is done.
func (w writer) Write(p []byte) (int, error) {
	if err := context.Cause(w.ctx); err != nil {
		return 0, err
	}
	return w.w.Write(p)
}

// ErrEmpty is returned by [Unpack] if nothing was packed.
var ErrEmpty = errors.New("nothing in it")

// Unpack makes at a path what was packed, of at most limit bytes. Directories on the way to
// it are made. A directory that is there already keeps what it has; files are replaced.
func Unpack(ctx context.Context, r io.Reader, path string, limit int64) error {
	u := unpacker{ctx: ctx, tar: tar.NewReader(r), left: limit}
	if err := u.unpack(path); err != nil {
		return fmt.Errorf("unpack to %q: %w", path, err)
	}
	return nil
}

type unpacker struct {
	ctx  context.Context
	tar  *tar.Reader
	left int64
}

func (u *unpacker) unpack(target string) error {
	first, err := u.tar.Next()
	switch {
	case err == io.EOF:
		return ErrEmpty
	case err != nil:
		return err
	case first.Name != root && first.Name != root+"/":
		return fmt.Errorf("it begins with %q", first.Name)
	}
	dir := target
	if first.Typeflag == tar.TypeReg {
		dir, first.Name = filepath.Dir(target), filepath.Base(target)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	top, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer top.Close()
	if first.Typeflag == tar.TypeReg {
		return u.entry(top, first)
	}
	return u.tree(top, first)
}

// tree unpacks the entries of a directory.
func (u *unpacker) tree(top *os.Root, header *tar.Header) (err error) {
	for ; err == nil; header, err = u.tar.Next() {
		if err := context.Cause(u.ctx); err != nil {
			return err
		}
		if err := u.entry(top, header); err != nil {
			return fmt.Errorf("%q: %w", header.Name, err)
		}
	}
	if err != io.EOF {
		return err
	}
	return nil
}

// entryCost is what an entry counts of the limit besides its content.
const entryCost = 4 << 10

func (u *unpacker) entry(top *os.Root, header *tar.Header) error {
	if u.left -= header.Size + entryCost; u.left < 0 {
		return errors.New("larger than it may be")
	}
	// What a slash at the end says, the type says too.
	header.Name = strings.TrimSuffix(header.Name, "/")
	switch header.Typeflag {
	case tar.TypeDir:
		if err := top.MkdirAll(header.Name, 0o777); err != nil {
			return err
		}
		// We are to fill it, and so is nobody kept from removing it.
		return top.Chmod(header.Name, header.FileInfo().Mode().Perm()|0o700)
	case tar.TypeReg:
		return u.file(top, header)
	case tar.TypeSymlink:
		if err := remove(top, header.Name); err != nil {
			return err
		}
		return top.Symlink(header.Linkname, header.Name)
	}
	return errors.New("neither file, directory nor symbolic link")
}

// file writes a file beside and renames it, so that what is there, be it a link, is not
// written through.
func (u *unpacker) file(top *os.Root, header *tar.Header) error {
	temporary := path.Join(path.Dir(header.Name), ".freshroot-new")
	f, err := top.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(writer{u.ctx, f}, u.tar)
	if err = errors.Join(err, f.Close()); err == nil {
		err = finish(top, temporary, header)
	}
	if err == nil {
		err = top.Rename(temporary, header.Name)
	}
	if err != nil {
		return errors.Join(err, top.Remove(temporary))
	}
	return nil
}

// remove makes room for a link.
func remove(top *os.Root, name string) error {
	err := top.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// finish sets mode and time. Neither setuid nor setgid are kept: the owner is another one.
func finish(top *os.Root, name string, header *tar.Header) error {
	if err := top.Chmod(name, header.FileInfo().Mode().Perm()); err != nil {
		return err
	}
	return top.Chtimes(name, header.ModTime, header.ModTime)
}
