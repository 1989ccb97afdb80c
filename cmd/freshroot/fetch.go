package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/download"
	"github.com/freshroot/freshroot/pkg/image"
	"github.com/freshroot/freshroot/pkg/source"
	"github.com/freshroot/freshroot/pkg/units"
)

// headSize is how much of a source tells what it is.
const headSize = 1 << 20

// remote is a source on a server, of which the beginning is known.
type remote struct {
	*download.File
	cancel context.CancelFunc
	ahead  *bufio.Reader // of the file
	name   string        // the URL without a password
	digest string        // the SHA-256 that it must have; "" if any will do
}

// openRemote asks a server for a source, and makes sure that it is one and may fit into a
// pool, where it is kept until it is unpacked.
func openRemote(
	ctx context.Context, from, digest string, pool int64, line *progressLine,
) (*remote, error) {
	name := from
	if u, err := url.Parse(from); err == nil {
		name = u.Redacted()
	}
	ctx, cancel := context.WithCancel(ctx)
	f, err := download.Open(ctx, from, download.Options{
		Retrying: func(r download.Retry) { sayRetry(os.Stderr, line, name, r) },
	})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("fetch %s: %w", name, err)
	}
	r := &remote{f, cancel, bufio.NewReaderSize(f, headSize), name, digest}
	if err := r.check(pool); err != nil {
		r.Close()
		return nil, fmt.Errorf("fetch %s: %w", name, err)
	}
	return r, nil
}

// Close ends the connection.
func (r *remote) Close() error {
	r.cancel()
	return r.File.Close()
}

// sayRetry tells a person why nothing moves.
func sayRetry(w io.Writer, line *progressLine, name string, r download.Retry) {
	line.end()
	fmt.Fprintf(w, "fetch %s: broken off after %s: %v; going on in %s\n",
		printable(name), units.Bytes(r.At), r.Err, r.Pause)
}

// check looks at what is known before anything is written.
func (r *remote) check(pool int64) error {
	if r.Size() > pool {
		return fmt.Errorf("it has %s, and the pool will have %s: take a larger disk, or a source "+
			"that is compressed", units.Bytes(r.Size()), units.Bytes(pool))
	}
	head, err := r.ahead.Peek(headSize)
	if err != nil && err != io.EOF {
		return err
	}
	_, err = source.Identify(bytes.NewReader(head))
	return err
}

// content is the OS of the source. The source is kept in the pool that is filled while it is
// unpacked, in a file without a name.
func (r *remote) content(o image.FillOptions) image.Content {
	return func(ctx context.Context, pool *os.File) (image.Filled, error) {
		f, err := nameless(pool)
		if err != nil {
			return image.Filled{}, err
		}
		defer f.Close()
		if err := r.save(ctx, f, o.Progress); err != nil {
			return image.Filled{}, fmt.Errorf("fetch %s: %w", r.name, err)
		}
		src, err := source.Open(f.Name())
		if err != nil {
			return image.Filled{}, fmt.Errorf("use %s: %w", r.name, err)
		}
		defer src.Close()
		return image.Fill(ctx, pool, src, o)
	}
}

// nameless makes a file without a name in a directory. It is gone when it is closed;
// until then it is found below /proc.
func nameless(dir *os.File) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "create file in", Path: dir.Name(), Err: err}
	}
	return os.NewFile(uintptr(fd), fmt.Sprintf("/proc/self/fd/%d", fd)), nil
}

// save writes all of it to f, and compares it with its SHA-256 if that is known.
func (r *remote) save(ctx context.Context, f *os.File, progress image.Progress) error {
	// The connection is older than this context, and waits of it end with this one too.
	defer context.AfterFunc(ctx, r.cancel)()
	sum := sha256.New()
	counted := &counter{total: max(0, r.Size()), tell: progress}
	if _, err := io.Copy(io.MultiWriter(f, sum, counted), r.ahead); err != nil {
		return err
	}
	got := hex.EncodeToString(sum.Sum(nil))
	if r.digest != "" && !strings.EqualFold(got, r.digest) {
		return fmt.Errorf("its SHA-256 is %s, not %s", got, r.digest)
	}
	return nil
}

// counter tells how much was written to it.
type counter struct {
	done, total int64
	tell        image.Progress
}

// Write counts.
func (c *counter) Write(b []byte) (int, error) {
	c.done += int64(len(b))
	if c.tell != nil {
		c.tell("fetch", c.done, c.total)
	}
	return len(b), nil
}
