package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// errSilent is why a connection is given up on which nothing comes.
var errSilent = errors.New("the server sends nothing")

// connection is the body of one answer.
type connection struct {
	body    io.ReadCloser
	ctx     context.Context // of this request
	cancel  context.CancelCauseFunc
	silence time.Duration
	skip    int64 // bytes at its beginning that are known already
}

// connect asks for the file, and for its end if there is a range.
func (f *File) connect(byteRange string) (*connection, *http.Response, error) {
	ctx, cancel := context.WithCancelCause(f.ctx)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		cancel(nil)
		return nil, nil, err
	}
	request.Header.Set("Accept-Encoding", "identity")
	if byteRange != "" {
		request.Header.Set("Range", byteRange)
		request.Header.Set("If-Range", f.validator)
	}
	answer, err := f.client.Do(request)
	if err != nil {
		cancel(nil)
		var named *url.Error // by what the caller names as well
		if errors.As(err, &named) {
			err = named.Err
		}
		return nil, nil, err
	}
	return &connection{answer.Body, ctx, cancel, f.options.Silence, 0}, answer, nil
}

// reconnect asks for what is missing.
func (f *File) reconnect() (*connection, error) {
	byteRange := ""
	if f.at > 0 {
		byteRange = fmt.Sprintf("bytes=%d-", f.at)
	}
	conn, answer, err := f.connect(byteRange)
	if err != nil {
		return nil, err
	}
	if conn.skip, err = f.check(answer); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// check makes sure that an answer is, or has, the rest of the file, and returns how much of
// its beginning is known.
func (f *File) check(answer *http.Response) (skip int64, err error) {
	switch answer.StatusCode {
	case http.StatusOK: // no ranges here, or it is another file
		if validator(answer.Header) != f.validator || answer.ContentLength != f.size {
			return 0, ErrChanged
		}
		return f.at, nil
	case http.StatusPartialContent:
		if !f.isRest(answer.Header) {
			return 0, ErrChanged
		}
		return 0, nil
	case http.StatusRequestedRangeNotSatisfiable, http.StatusPreconditionFailed:
		return 0, ErrChanged
	}
	return 0, statusError(answer)
}

// isRest looks at what a partial answer says of itself. If-Range should have seen to it, but
// not all servers know that.
func (f *File) isRest(h http.Header) bool {
	var from, to, size int64
	contentRange := strings.Replace(h.Get("Content-Range"), "/*", "/-1", 1)
	n, err := fmt.Sscanf(contentRange, "bytes %d-%d/%d", &from, &to, &size)
	if err != nil || n != 3 || from != f.at || size >= 0 && size != f.size && f.size >= 0 {
		return false
	}
	now := validator(h)
	return now == "" || now == f.validator
}

// validator returns what stands for the content of an answer and nothing else (RFC 9110,
// 8.8): its ETag unless that is weak, or else its date, unless it is of the last second.
func validator(h http.Header) string {
	if tag := h.Get("ETag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		return tag
	}
	modified, err := http.ParseTime(h.Get("Last-Modified"))
	if err != nil {
		return ""
	}
	if now, err := http.ParseTime(h.Get("Date")); err != nil || now.Sub(modified) < time.Second {
		return ""
	}
	return h.Get("Last-Modified")
}

func statusError(answer *http.Response) error {
	return &StatusError{answer.StatusCode, answer.Status}
}

// Read reads what is not known yet. A server that is silent for too long is an error.
func (c *connection) Read(b []byte) (int, error) {
	timer := time.AfterFunc(c.silence, func() { c.cancel(errSilent) })
	defer timer.Stop()
	n, err := c.body.Read(b)
	if err != nil && err != io.EOF && c.ctx.Err() != nil {
		err = context.Cause(c.ctx)
	}
	known := int(min(c.skip, int64(n)))
	c.skip -= int64(known)
	return copy(b, b[known:n]), err
}

// Close ends the connection, in the middle of the body too.
func (c *connection) Close() error {
	c.cancel(nil)
	return c.body.Close()
}
