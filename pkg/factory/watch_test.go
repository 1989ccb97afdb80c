package factory

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/freshroot/freshroot/internal/zoo"
)

func TestIntegrationWatch(t *testing.T) {
	need(t)
	m := &zoo.Maker{T: t, Dir: t.TempDir()}
	for _, name := range []string{"a", "b/c", "b/d", "e/f/g"} {
		m.File(name, "content", 0o600)
	}
	var calls, bytes atomic.Int64
	stats := mustCopy(t, t.TempDir(), m.Dir, Options{Watch: func(copied int64) error {
		calls.Add(1)
		bytes.Add(copied)
		return nil
	}})
	// The last file of each worker is told by the result alone.
	if calls.Load() != 7 || bytes.Load() >= stats.Bytes || bytes.Load()%7 != 0 {
		t.Errorf("%d calls told of %d bytes of %d", calls.Load(), bytes.Load(), stats.Bytes)
	}
	for _, workers := range []int{1, 4} {
		enough := errors.New("enough")
		stats, err := copyTree(t, t.TempDir(), m.Dir, Options{
			Workers: workers, Watch: func(int64) error { return enough },
		})
		if !errors.Is(err, enough) || stats.Files > 0 {
			t.Errorf("%d workers made %d files (%v)", workers, stats.Files, err)
		}
	}
}
