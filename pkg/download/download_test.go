package download

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// noise is a file of 3 MiB that is nowhere the same.
func noise() []byte {
	b := make([]byte, 3<<20)
	rand.New(rand.NewSource(1)).Read(b)
	return b
}

// server gives a file, and breaks off.
type server struct {
	content []byte
	tag     string // "" for none
	dated   bool
	ranges  bool
	sizes   bool          // or it is sent in chunks, without a size
	breaks  []int         // after how many bytes each answer ends; the last one does not
	answers []http.Header // what was asked for
	then    func(n int, s *server, w http.ResponseWriter) (done bool)

	sync.Mutex
}

// ServeHTTP answers with what http.ServeContent makes of it, as far as it is sent.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Lock()
	defer s.Unlock()
	n := len(s.answers)
	s.answers = append(s.answers, r.Header.Clone())
	if s.then != nil && s.then(n, s, w) {
		return
	}
	var modified time.Time
	if s.dated {
		modified = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if s.tag != "" {
		w.Header().Set("ETag", s.tag)
	}
	if !s.ranges {
		r.Header.Del("Range")
	}
	most := len(s.content) + 1
	if n < len(s.breaks) {
		most = s.breaks[n]
	}
	http.ServeContent(&limited{w, most, s}, r, "", modified, bytes.NewReader(s.content))
}

// limited breaks a connection off.
type limited struct {
	http.ResponseWriter
	most int
	s    *server
}

func (l *limited) WriteHeader(code int) {
	if !l.s.sizes {
		l.Header().Del("Content-Length")
	}
	if !l.s.ranges {
		l.Header().Del("Accept-Ranges")
	}
	l.ResponseWriter.WriteHeader(code)
}

func (l *limited) Write(b []byte) (int, error) {
	n, err := l.ResponseWriter.Write(b[:min(l.most, len(b))])
	if l.most -= n; l.most == 0 {
		_ = http.NewResponseController(l.ResponseWriter).Flush()
		panic(http.ErrAbortHandler) // which ends the connection
	}
	return n, err
}

// get downloads all of it.
func get(t *testing.T, h http.Handler, o Options) (content []byte, retries []int64, err error) {
	t.Helper()
	s := httptest.NewServer(h)
	defer s.Close()
	o.Pause = time.Microsecond
	o.Retrying = func(r Retry) { retries = append(retries, r.At) }
	f, err := Open(t.Context(), s.URL, o)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	content, err = io.ReadAll(f)
	return content, retries, err
}

// TestGoesOn reads the file of servers that break off.
func TestGoesOn(t *testing.T) {
	const tag, weak = `"one"`, `W/"one"`
	for name, tc := range map[string]struct {
		s    *server
		want []int64 // where it broke off
	}{
		"at once":            {&server{tag: tag, ranges: true, sizes: true}, nil},
		"by tag":             {&server{tag: tag, ranges: true, sizes: true, breaks: []int{1000, 5}}, []int64{1000, 1005}},
		"by date":            {&server{dated: true, ranges: true, sizes: true, breaks: []int{1 << 20}}, []int64{1 << 20}},
		"weak tag, date":     {&server{tag: weak, dated: true, ranges: true, sizes: true, breaks: []int{9}}, []int64{9}},
		"no ranges":          {&server{tag: tag, sizes: true, breaks: []int{1000, 700_000, 900_000}}, []int64{1000, 700_000, 900_000}},
		"no ranges, further": {&server{tag: tag, sizes: true, breaks: []int{1000, 10}}, []int64{1000, 1000}},
		"no size":            {&server{tag: tag, ranges: true, breaks: []int{2 << 20}}, []int64{2 << 20}},
		"no size, no ranges": {&server{tag: tag, breaks: []int{2 << 20}}, []int64{2 << 20}},
		"before a byte":      {&server{sizes: true, breaks: []int{0}, then: hangUp}, []int64{0}},
		"many times": {&server{tag: tag, ranges: true, sizes: true, breaks: []int{9, 9, 9, 1 << 20, 9, 9, 9, 1 << 20, 9, 9}},
			[]int64{9, 18, 27, 1<<20 + 27, 1<<20 + 36, 1<<20 + 45, 1<<20 + 54, 2<<20 + 54, 2<<20 + 63, 2<<20 + 72}},
		"busy": {&server{tag: tag, ranges: true, sizes: true, breaks: []int{9}, then: busy}, []int64{9, 9, 9}},
	} {
		tc.s.content = noise()
		got, retries, err := get(t, tc.s, Options{})
		if err != nil || !bytes.Equal(got, tc.s.content) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if diff := cmp.Diff(tc.want, retries); diff != "" {
			t.Errorf("%s: broken off (-want +got):\n%s", name, diff)
		}
		if last := tc.s.answers[len(tc.s.answers)-1]; len(retries) > 0 && retries[0] > 0 &&
			(last.Get("Range") != "bytes="+strconv.FormatInt(retries[len(retries)-1], 10)+"-" || last.Get("If-Range") == "") {
			t.Errorf("%s: asked with %v", name, last)
		}
	}
}

// hangUp ends the first answer behind its header.
func hangUp(n int, s *server, w http.ResponseWriter) bool {
	if n > 0 {
		return false
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(s.content)))
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// busy has no time for the second and third request.
func busy(n int, _ *server, w http.ResponseWriter) bool {
	if n != 1 && n != 2 {
		return false
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	return true
}

// TestRefuses never mixes two files, and ends.
func TestRefuses(t *testing.T) {
	const tag = `"one"`
	other := func(edit func(s *server)) func(int, *server, http.ResponseWriter) bool {
		return func(n int, s *server, _ http.ResponseWriter) bool {
			if n == 1 {
				edit(s)
			}
			return false
		}
	}
	// answer gives something else than was asked for from the second request on.
	answer := func(code int, headers ...string) func(int, *server, http.ResponseWriter) bool {
		return func(n int, s *server, w http.ResponseWriter) bool {
			if n == 0 {
				return false
			}
			for _, h := range headers {
				name, value, _ := strings.Cut(h, ": ")
				w.Header().Set(name, value)
			}
			w.WriteHeader(code)
			_, _ = w.Write(s.content)
			return true
		}
	}
	changed := ErrChanged.Error()
	for name, tc := range map[string]struct {
		s    *server
		want string
	}{
		"another file":       {&server{tag: tag, ranges: true, then: other(func(s *server) { s.tag = `"two"` })}, changed},
		"another, no ranges": {&server{tag: tag, then: other(func(s *server) { s.tag = `"two"` })}, changed},
		"shorter":            {&server{tag: tag, ranges: true, then: other(func(s *server) { s.content = s.content[:2000] })}, changed},
		"too short":          {&server{tag: tag, ranges: true, then: other(func(s *server) { s.content = s.content[:5] })}, changed},
		"longer, no ranges":  {&server{tag: tag, then: other(func(s *server) { s.content = noise() })}, changed},
		"no If-Range":        {&server{tag: tag, ranges: true, then: answer(206, "Content-Range: bytes 1000-4095/4096", `ETag: "two"`)}, changed},
		"another place":      {&server{tag: tag, ranges: true, then: answer(206, "Content-Range: bytes 999-4095/4096")}, changed},
		"no place":           {&server{tag: tag, ranges: true, then: answer(206)}, changed},
		"gone":               {&server{tag: tag, ranges: true, then: answer(404)}, "go on at byte 1000: 404 Not Found"},
		"nothing known":      {&server{ranges: true}, "broken off at byte 1000: unexpected EOF; the server says nothing"},
		"weak":               {&server{tag: `W/"one"`, ranges: true}, "the server says nothing"},
		"again and again": {&server{tag: tag, ranges: true, breaks: []int{1000, 1, 1, 1, 1, 1, 1}},
			"broken off at byte 1005: unexpected EOF; gave up after 5 attempts"},
		"busy for ever": {&server{tag: tag, ranges: true, then: answer(503)}, "503 Service Unavailable; gave up after 5"},
		"whole again":   {&server{tag: tag, then: answer(200, "ETag: "+tag, "Content-Length: 4096")}, ""},
	} {
		tc.s.sizes, tc.s.content = true, noise()[:4096]
		if tc.s.breaks == nil {
			tc.s.breaks = []int{1000}
		}
		before := tc.s.content
		got, _, err := get(t, tc.s, Options{})
		if !bytes.HasPrefix(before, got) {
			t.Errorf("%s: what came is of two files", name)
		}
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

// TestTooMuch has a server whose ranges are longer than the file.
func TestTooMuch(t *testing.T) {
	s := &server{tag: `"one"`, ranges: true, sizes: true, content: noise()[:4096], breaks: []int{1000}}
	s.then = func(n int, s *server, w http.ResponseWriter) bool {
		if n == 0 {
			return false
		}
		w.Header().Set("Content-Range", "bytes 1000-9999/4096")
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(append(s.content[1000:], noise()...))
		return true
	}
	if got, _, err := get(t, s, Options{}); err != nil || !bytes.Equal(got, noise()[:4096]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestSilence has a server that sends nothing any more, until somebody hangs up.
func TestSilence(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"one"`)
		w.Header().Set("Content-Length", "10")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer s.Close()
	f, err := Open(t.Context(), s.URL, Options{Silence: 10 * time.Millisecond, Pause: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.ReadAll(f); !errors.Is(err, errSilent) {
		t.Errorf("got %v", err)
	}
}

// TestCancel stops it while it reads, and while it waits.
func TestCancel(t *testing.T) {
	for name, s := range map[string]*server{
		"waits": {tag: `"one"`, sizes: true, breaks: []int{1000, 1, 1}},
		"reads": {tag: `"one"`, sizes: true},
	} {
		s.content = noise()
		server := httptest.NewServer(s)
		defer server.Close()
		ctx, cancel := context.WithCancel(t.Context())
		f, err := Open(ctx, server.URL, Options{Pause: time.Hour, Retrying: func(Retry) { cancel() }})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := io.ReadFull(f, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if name == "reads" {
			cancel()
		}
		if _, err := io.ReadAll(f); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", name, err)
		}
		cancel()
	}
}

func TestOpenRefuses(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	_, err := Open(t.Context(), gone.URL, Options{})
	var status *StatusError
	if !errors.As(err, &status) || status.Code != http.StatusNotFound || err.Error() != "404 Not Found" {
		t.Errorf("not there: %v", err)
	}
	gone.Close()
	for url, want := range map[string]string{
		gone.URL: "connection refused", "gopher://localhost": "unsupported protocol scheme", "http://[": "missing ']'",
	} {
		if _, err := Open(t.Context(), url, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}
