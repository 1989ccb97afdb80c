package source_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/source"
)

func TestIntegrationDirectory(t *testing.T) {
	testfs.Root(t)
	from, to := t.TempDir(), t.TempDir()
	for _, name := range []string{"/usr", "/etc", "/proc"} {
		if err := os.Mkdir(from+name, 0o751); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"/usr/file", "/proc/version"} {
		if err := os.WriteFile(from+name, []byte("content"), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(to+"/usr", 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := source.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	stats, err := s.Unpack(t.Context(), testfs.Open(t, to), source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := (source.Stats{Dirs: 1, Files: 1, Bytes: 7}); stats != want {
		t.Errorf("did %+v, want %+v", stats, want)
	}
	var st unix.Stat_t
	if err := unix.Stat(to+"/usr", &st); err != nil || st.Mode != unix.S_IFDIR|0o751 {
		t.Errorf("usr has mode %o (%v)", st.Mode, err)
	}
	if _, err := os.Stat(to + "/proc/version"); !os.IsNotExist(err) {
		t.Errorf("a file of proc was copied: %v", err)
	}
}
