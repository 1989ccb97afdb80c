package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/image"
	"github.com/freshroot/freshroot/pkg/source"
)

// answerTime is how long a server may take to begin its answer.
const answerTime = time.Minute

// fetched is an OS of a source at a URL. It is kept in the pool that is filled while it is
// unpacked, in a file without a name.
func fetched(url, digest string, o image.FillOptions) image.Content {
	return func(ctx context.Context, pool *os.File) (image.Filled, error) {
		f, err := nameless(pool)
		if err != nil {
			return image.Filled{}, err
		}
		defer f.Close()
		if err := fetch(ctx, f, url, digest, o.Progress); err != nil {
			return image.Filled{}, fmt.Errorf("fetch %s: %w", url, err)
		}
		src, err := source.Open(f.Name())
		if err != nil {
			return image.Filled{}, fmt.Errorf("use %s: %w", url, err)
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

// fetch writes what a URL has to f, and compares it with its SHA-256 unless that is "".
func fetch(ctx context.Context, f *os.File, url, digest string, progress image.Progress) error {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: answerTime,
		DisableCompression: true, // of the transport: the digest is that of the file
	}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	sum := sha256.New()
	counted := &counter{total: max(0, answer.ContentLength), tell: progress}
	if _, err := io.Copy(io.MultiWriter(f, sum, counted), answer.Body); err != nil {
		return err
	}
	got := hex.EncodeToString(sum.Sum(nil))
	if digest != "" && !strings.EqualFold(got, digest) {
		return fmt.Errorf("its SHA-256 is %s, not %s", got, digest)
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
