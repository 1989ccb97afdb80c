package pool_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/pool"
)

func TestIntegrationLog(t *testing.T) {
	top := newVersions(t, "1", "2+1-2")
	if _, err := pool.Log(top, v+"2+1-2"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no log: error %v", err)
	}
	long := append(bytes.Repeat([]byte("x"), pool.MaxLog), "the end"...)
	for _, text := range [][]byte{[]byte("first"), []byte("second"), long} {
		if err := pool.SaveLog(top, v+"2+1-2", text); err != nil {
			t.Fatal(err)
		}
		// The counter changes; the log is of the version.
		got, err := pool.Log(top, v+"2+0-3")
		want := text[max(0, len(text)-pool.MaxLog):]
		if diff := cmp.Diff(string(want), string(got)); diff != "" || err != nil {
			t.Errorf("error %v (-want +got):\n%s", err, diff)
		}
	}
	if _, err := pool.Bless(top, v+"2+1-2"); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Log(top, v+"2"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after it was blessed: error %v", err)
	}
}

// TestIntegrationLogIsBounded drops the logs of versions that are gone.
func TestIntegrationLogIsBounded(t *testing.T) {
	top := newVersions(t, "1+1")
	dir := filepath.Join(top.Name(), ".freshroot/log")
	outside := filepath.Join(t.TempDir(), "outside")
	err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(outside, []byte("precious"), 0o600),
		os.WriteFile(filepath.Join(dir, v+"0.9"), nil, 0o600),
		os.Symlink(outside, filepath.Join(dir, v+"1")), os.Symlink(outside, filepath.Join(dir, ".new")))
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.SaveLog(top, v+"1+1", []byte("log")); err != nil {
		t.Fatal(err)
	}
	names, err := pool.Entries(testfs.Open(t, dir))
	if diff := cmp.Diff([]string{v + "1"}, names); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	if text, err := os.ReadFile(outside); string(text) != "precious" || err != nil {
		t.Errorf("a link was followed: %q, %v", text, err)
	}
}

func TestIntegrationKernelLog(t *testing.T) {
	testfs.Root(t)
	text, err := pool.KernelLog()
	if err != nil || len(text) == 0 {
		t.Errorf("%d bytes, error %v", len(text), err)
	}
}

// TestIntegrationBlessBlocked has files where the directories of what is noted of a
// version are expected: nothing can be noted there, and the version is blessed.
func TestIntegrationBlessBlocked(t *testing.T) {
	top := newVersions(t, "1+2-1")
	own := filepath.Join(top.Name(), ".freshroot")
	err := errors.Join(os.MkdirAll(own, 0o700), os.WriteFile(filepath.Join(own, "log"), nil, 0o600),
		os.Symlink("/etc", filepath.Join(own, "given-back")))
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.SaveLog(top, v+"1+2-1", []byte("text")); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("save log: %v", err)
	}
	if now, err := pool.GiveBack(top, v+"1+2-1"); !errors.Is(err, unix.ELOOP) {
		t.Errorf("given back: %q, %v", now, err)
	}
	if now, err := pool.Bless(top, v+"1+2-1"); now != v+"1" || err != nil {
		t.Errorf("blessed: %q, %v", now, err)
	}
}
