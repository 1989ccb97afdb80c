// Package source opens what an operating system is delivered as, and unpacks it.
//
// Open knows a source by its content, never by its name: a directory, a tar of any
// compression, an OCI image layout or an archive of one, what docker save writes, a
// squashfs or erofs image, or a btrfs send stream. Unpack makes of it a tree with the
// owners, modes, times, extended attributes (file capabilities and ACLs among them), hard
// links and holes that the source has. docs/sources.md says what each can hold.
//
// No archive reaches anything outside of the tree, see the packages tree and
// sendstream/apply; images are mounted, and so trusted as any disk. Sources that are cut
// off, or damaged where they have checksums, are refused in the end at the latest.
//
// What is below dev, proc, run and sys at the top of the tree is left out: on a running
// system something else is mounted there.
//
// Unpack needs root, for owners, nodes and attributes, and Linux 5.8; Open only has to be
// able to read.
package source

import (
	"context"
	"fmt"
	"os"
)

// Kind says what an operating system is delivered as.
type Kind string

// The kinds of sources.
const (
	Directory Kind = "directory"
	Tar       Kind = "tar" // of any compression
	OCI       Kind = "oci layout"
	Docker    Kind = "docker archive" // what docker save writes
	Squashfs  Kind = "squashfs"
	Erofs     Kind = "erofs"
	Stream    Kind = "btrfs stream" // what btrfs send writes
)

// Source is an open source.
type Source struct {
	Path string
	Kind Kind

	file   *os.File
	size   int64
	packed bool // by Pack
}

// Options says how to unpack. The zero value is good.
type Options struct {
	// Arch is the architecture wanted of an image that has several, by systemd's name.
	// Empty is that of this program, and any that is the only one.
	Arch string
	// Progress, if set, is told how many bytes of the source were read, from the
	// goroutine that unpacks or one that helps it, never from two at once.
	Progress func(read int64)
}

// Stats tells what was made.
type Stats struct {
	Dirs   int   `json:"directories"`
	Files  int   `json:"files"`
	Links  int   `json:"hard_links"` // names beyond the first of a file
	Others int   `json:"others"`     // symbolic links, FIFOs, sockets and device nodes
	Bytes  int64 `json:"bytes"`      // sum of the sizes of Files
	// LostXattrs counts the attributes that the target cannot store.
	LostXattrs int `json:"lost_xattrs,omitempty"`
	// SplitLinks counts the names that should have become hard links, and are files
	// of their own, because there were too many to remember.
	SplitLinks int `json:"split_links,omitempty"`
}

// Open opens a source, and finds out what it is. The error says what was found, and
// what is known.
func Open(path string) (*Source, error) { return open(path, 0) }

// OpenPart opens a source that is the first size bytes of a file or a disk, whose size is
// a multiple of that of a sector.
func OpenPart(path string, size int64) (*Source, error) { return open(path, size) }

// OpenPacked opens the tar that Pack has made of a directory, as OpenPart does. It may have
// what a directory may have: device nodes.
func OpenPacked(path string, size int64) (*Source, error) {
	s, err := open(path, size)
	if err == nil {
		s.packed = true
	}
	return s, err
}

// open opens a source of a size, or of that of the file if it is zero.
func open(path string, size int64) (*Source, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	s := &Source{Path: path, file: f, size: size}
	if err := s.identify(); err != nil {
		f.Close()
		return nil, fmt.Errorf("open source %q: %w", path, err)
	}
	return s, nil
}

// Close closes the source.
func (s *Source) Close() error { return s.file.Close() }

// Size is how many bytes of the source Unpack will read at most. It is 0 where that is not
// known: of directories and file system images.
func (s *Source) Size() int64 {
	if s.Kind == Squashfs || s.Kind == Erofs {
		return 0 // compressed, and read by the kernel
	}
	return s.size
}

// Unpack makes the tree of the source in a directory that exists. Directories that it
// has already are used, as is the directory itself, and get the attributes that the
// source has for them.
//
// After an error, or when ctx is done, what was made by then stays, and is not complete.
// The error wraps the errno: errors.Is(err, unix.ENOSPC) is a full target.
func (s *Source) Unpack(ctx context.Context, dir *os.File, o Options) (Stats, error) {
	if o.Progress == nil {
		o.Progress = func(int64) {}
	}
	stats, err := s.unpack(ctx, dir, o)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return stats, fmt.Errorf("unpack %q (%s): %w", s.Path, s.Kind, err)
	}
	return stats, nil
}
