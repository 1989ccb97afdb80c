// Package download reads a file from a web server (HTTP, RFC 9110), and goes on where a
// connection broke off.
//
// It asks for the rest by a range request, and makes sure that it is the rest of the same
// file: the server has to say which it is by a strong ETag or a date of last modification,
// and how large it is must not change. From a server that knows no ranges, the file is read
// from its beginning again, and what is known is dropped. How often that is tried without
// getting much further is bounded, and so is the time that a server may be silent.
//
// A server that says neither a size nor a checksum can end a file early without anybody
// seeing it: compare a digest where it matters. It needs no privileges but the network.
package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// ErrChanged is returned if what the server has is not the file any more that was begun.
var ErrChanged = errors.New("it has changed on the server meanwhile: begin anew")

// StatusError is what a server answered instead of a file: a status line, such as
// "404 Not Found".
type StatusError struct {
	Code   int
	Status string
}

// Error returns the status.
func (e *StatusError) Error() string { return e.Status }

// Retry tells of a connection that broke off.
type Retry struct {
	Err   error         // why
	At    int64         // bytes that there are
	Pause time.Duration // until it goes on
}

// Options say how patient to be.
type Options struct {
	// Silence is how long a server may send nothing: a minute if zero.
	Silence time.Duration
	// Pause is how long to wait before the first new attempt: a second if zero. It
	// doubles with each that brings nothing.
	Pause time.Duration
	// Retrying, if set, is told before each pause.
	Retrying func(Retry)
}

const (
	// attempts is how often in a row it is tried to go on.
	attempts = 5
	// further is how many bytes make it another row.
	further = 1 << 20
)

// File is a file on a server. It is read once, from the beginning to the end.
type File struct {
	ctx     context.Context
	url     string
	options Options
	client  *http.Client

	size      int64  // bytes; -1 if the server does not say
	validator string // of this very content, for If-Range; "" if there is none
	at        int64  // what was read

	conn   *connection
	failed int   // attempts in a row
	since  int64 // where the row began
	err    error // which is final
}

// Open asks for a file. An answer that is no file is a *[StatusError]; the first request is
// not repeated. Canceling ctx ends all, until Close.
func Open(ctx context.Context, url string, o Options) (*File, error) {
	o.Silence, o.Pause = orElse(o.Silence, time.Minute), orElse(o.Pause, time.Second)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = o.Silence
	// Of the transport, that is: what is wanted are the bytes of the file.
	transport.DisableCompression = true
	f := &File{ctx: ctx, url: url, options: o, client: &http.Client{Transport: transport}}
	conn, answer, err := f.connect("")
	if err == nil && answer.StatusCode != http.StatusOK {
		conn.Close()
		err = statusError(answer)
	}
	if err != nil {
		transport.CloseIdleConnections()
		return nil, err
	}
	f.conn, f.size, f.validator = conn, answer.ContentLength, validator(answer.Header)
	return f, nil
}

func orElse(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// Size is how many bytes the file has, -1 if the server does not say.
func (f *File) Size() int64 { return f.size }

// Read reads on, over as many connections as it takes. Its errors are final.
func (f *File) Read(b []byte) (int, error) {
	for f.err == nil {
		if f.ctx.Err() != nil { // what has arrived could be read on for long
			return 0, context.Cause(f.ctx)
		}
		if f.at == f.size {
			return 0, io.EOF
		}
		if f.size >= 0 { // which a range may be longer than
			b = b[:min(int64(len(b)), f.size-f.at)]
		}
		n, err := f.conn.Read(b)
		f.at += int64(n)
		switch {
		case n > 0:
			return n, nil
		case err == io.EOF && f.size < 0:
			return 0, io.EOF
		case err != nil:
			f.err = f.resume(short(err))
		}
	}
	return 0, f.err
}

// short names an end that came before that of the file.
func short(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Close ends the connection.
func (f *File) Close() error {
	err := f.conn.Close()
	f.client.CloseIdleConnections()
	return err
}

// resume makes a new connection for what is missing, as often as it may. The error is that
// of the last attempt.
func (f *File) resume(cause error) error {
	f.conn.Close()
	for {
		if err := f.pause(cause); err != nil {
			return err
		}
		conn, err := f.reconnect()
		if err == nil {
			f.conn = conn
			return nil
		}
		if !temporary(err) {
			return fmt.Errorf("go on at byte %d: %w", f.at, err)
		}
		cause = err
	}
}

// pause waits before an attempt, if another one makes sense.
func (f *File) pause(cause error) error {
	if f.at-f.since >= further {
		f.failed, f.since = 0, f.at
	}
	err := fmt.Errorf("broken off at byte %d: %w", f.at, cause)
	switch {
	case f.ctx.Err() != nil:
		return context.Cause(f.ctx)
	case f.at > 0 && f.validator == "":
		return fmt.Errorf("%w; the server says nothing by which the rest could be known to be "+
			"of the same file (ETag, Last-Modified): begin anew", err)
	case f.failed == attempts:
		return fmt.Errorf("%w; gave up after %d attempts to go on", err, attempts)
	}
	pause := f.options.Pause << f.failed
	f.failed++
	if f.options.Retrying != nil {
		f.options.Retrying(Retry{cause, f.at, pause})
	}
	select {
	case <-time.After(pause):
		return nil
	case <-f.ctx.Done():
		return context.Cause(f.ctx)
	}
}

// temporary reports whether an answer may be another one soon.
func temporary(err error) bool {
	var status *StatusError
	if errors.As(err, &status) {
		return status.Code >= http.StatusInternalServerError ||
			status.Code == http.StatusTooManyRequests || status.Code == http.StatusRequestTimeout
	}
	return !errors.Is(err, ErrChanged)
}
