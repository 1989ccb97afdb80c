package pool_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/pool"
)

const v = "usr:org.example.os:x86-64:"

// newVersions makes a pool with golden masters, read-only as they are.
func newVersions(t *testing.T, versions ...string) *os.File {
	t.Helper()
	top := testfs.Open(t, testfs.Btrfs(t, 128))
	for _, version := range versions {
		if err := btrfs.CreateSubvolume(top, v+version); err != nil {
			t.Fatal(err)
		}
		f := testfs.Open(t, filepath.Join(top.Name(), v+version))
		if err := btrfs.SetReadOnly(f, true); err != nil {
			t.Fatal(err)
		}
	}
	return top
}

// versions lists what is in the pool.
func versions(t *testing.T, top *os.File) (list []string) {
	t.Helper()
	files, err := os.ReadDir(top.Name())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if version, is := strings.CutPrefix(f.Name(), v); is {
			list = append(list, version)
		}
	}
	slices.Sort(list)
	return list
}

func TestIntegrationTries(t *testing.T) {
	top := newVersions(t, "1", "2+2-1", "3+3")
	markBad := func(top *os.File, entry string) (string, error) {
		return pool.MarkBad(top, entry, v+"1")
	}
	for _, step := range []struct {
		what string
		do   func(*os.File, string) (string, error)
		from string
		want []string
	}{
		{"bless", pool.Bless, "2+2-1", []string{"1", "2", "3+3"}},
		{"bless again", pool.Bless, "2", []string{"1", "2", "3+3"}},
		{"mark bad", markBad, "2", []string{"1", "2+0", "3+3"}},
		{"mark bad again", markBad, "2+0", []string{"1", "2+0", "3+3"}},
		{"mark a counted one bad", markBad, "3+3", []string{"1", "2+0", "3+0"}},
		{"nothing to give back", pool.GiveBack, "3+0", []string{"1", "2+0", "3+0"}},
		{"nor to a blessed one", pool.GiveBack, "1", []string{"1", "2+0", "3+0"}},
	} {
		now, err := step.do(top, v+step.from)
		got := versions(t, top)
		if diff := cmp.Diff(step.want, got); diff != "" || err != nil {
			t.Errorf("%s: error %v (-want +got):\n%s", step.what, err, diff)
		}
		if !slices.Contains(got, strings.TrimPrefix(now, v)) {
			t.Errorf("%s: says it is %q now", step.what, now)
		}
	}
}

// TestIntegrationMarkBadBooted marks what runs: it has another name then, also if its last
// try is the one that is under way.
func TestIntegrationMarkBadBooted(t *testing.T) {
	for booted, want := range map[string]string{
		"1+0-1": "1+0-2", "1+0": "1+0-1", "1+1-1": "1+0-1", "1": "1+0",
	} {
		top := newVersions(t, booted)
		for range 2 { // the second time it has the name already
			now, err := pool.MarkBad(top, v+versions(t, top)[0], v+booted)
			if diff := cmp.Diff(v+want, now); diff != "" || err != nil {
				t.Errorf("%s: error %v (-want +got):\n%s", booted, err, diff)
			}
		}
	}
}

// TestIntegrationGiveBack gives back as often as may be, until the version is blessed.
func TestIntegrationGiveBack(t *testing.T) {
	top := newVersions(t, "1+1-2")
	for i, want := range []string{"1+2-1", "1+2-1", "1+2-1", ""} {
		if i > 0 { // another try
			if err := pool.Rename(top, v+"1+2-1", v+"1+1-2"); err != nil {
				t.Fatal(err)
			}
		}
		now, err := pool.GiveBack(top, v+"1+1-2")
		if want == "" {
			if !errors.Is(err, pool.ErrGivenBack) {
				t.Errorf("try %d: %q, error %v", i, now, err)
			}
		} else if now != v+want || err != nil {
			t.Errorf("try %d: %q, error %v", i, now, err)
		}
	}
	if _, err := pool.Bless(top, v+"1+1-2"); err != nil {
		t.Fatal(err)
	}
	if err := pool.Rename(top, v+"1", v+"1+2-1"); err != nil {
		t.Fatal(err)
	}
	if now, err := pool.GiveBack(top, v+"1+2-1"); now != v+"1+3" || err != nil {
		t.Errorf("after it was blessed: %q, error %v", now, err)
	}
}

// TestIntegrationGiveBackForgets has another version in the place of one that got tries
// back, and one that is gone.
func TestIntegrationGiveBackForgets(t *testing.T) {
	top := newVersions(t, "1+1-2", "2+1-2")
	for _, entry := range []string{v + "1+1-2", v + "2+1-2"} {
		if _, err := pool.GiveBack(top, entry); err != nil {
			t.Fatal(err)
		}
	}
	for _, entry := range []string{v + "1+2-1", v + "2+2-1"} {
		if err := btrfs.DeleteSubvolume(top, entry); err != nil {
			t.Fatal(err)
		}
	}
	if err := btrfs.CreateSubvolume(top, v+"1+1-2"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := pool.GiveBack(top, v+"1+1-2"); err != nil {
			t.Fatal(err)
		}
		if err := pool.Rename(top, v+"1+2-1", v+"1+1-2"); err != nil {
			t.Fatal(err)
		}
	}
	left, err := os.ReadDir(filepath.Join(top.Name(), ".freshroot/given-back"))
	if err != nil || len(left) != 1 || left[0].Name() != v+"1" {
		t.Errorf("noted: %v, %v", left, err)
	}
}

// TestIntegrationIsBlessed has versions with a counter, and with something left of a trial.
func TestIntegrationIsBlessed(t *testing.T) {
	top := newVersions(t, "1", "2+1-2", "3", "4")
	if err := errors.Join(pool.SaveLog(top, v+"3", nil), pool.NoteGivenBack(top, v+"4")); err != nil {
		t.Fatal(err)
	}
	for entry, want := range map[string]bool{"1": true, "2+1-2": false, "3": false, "4": false} {
		if is, err := pool.IsBlessed(top, v+entry); is != want || err != nil {
			t.Errorf("%s: %v, %v", entry, is, err)
		}
		now, err := pool.Bless(top, v+entry)
		if err != nil {
			t.Fatal(err)
		}
		if is, err := pool.IsBlessed(top, now); !is || err != nil {
			t.Errorf("%s, blessed: %v, %v", entry, is, err)
		}
	}
}

// TestIntegrationBlessedAtOnce cuts the power right after the blessing. Nothing is left of
// the trial, for nobody would look after it any more.
func TestIntegrationBlessedAtOnce(t *testing.T) {
	top := testfs.Open(t, testfs.Btrfs(t, 128))
	if err := btrfs.CreateSubvolume(top, v+"1+1-2"); err != nil {
		t.Fatal(err)
	}
	now, err := pool.GiveBack(top, v+"1+1-2")
	if err == nil {
		_, err = pool.Bless(top, now)
	}
	if err != nil {
		t.Fatal(err)
	}
	top.Close()
	testfs.Powercut(t, top.Name())
	left, err := os.ReadDir(filepath.Join(top.Name(), ".freshroot/given-back"))
	if err != nil || len(left) > 0 {
		t.Errorf("left of the trial: %v, %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(top.Name(), v+"1")); err != nil {
		t.Error(err)
	}
}

// TestIntegrationTriesFull counts in a pool without room for data.
func TestIntegrationTriesFull(t *testing.T) {
	top := newVersions(t, "1+3")
	f, err := os.Create(filepath.Join(top.Name(), "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for part := make([]byte, 64<<10); err == nil; {
		if _, err = f.Write(part); err == nil {
			err = f.Sync()
		}
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	if err := pool.Rename(top, v+"1+3", v+"1+2-1"); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"1+2-1"}, versions(t, top)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := pool.Bless(top, v+"1+2-1"); err != nil {
		t.Error(err)
	}
}

// TestIntegrationTriesRefuses changes nothing where the outcome would not be clear.
func TestIntegrationTriesRefuses(t *testing.T) {
	top := newVersions(t, "1", "1+2-1", "2+2+3")
	before := versions(t, top)
	for _, c := range []struct {
		entry string
		want  error
	}{
		{v + "1+2-1", unix.EEXIST},
		{v + "9+1", unix.ENOENT},
		{v + "2+2+3", nil}, // it would be version 2 with two tries
		{"lost+found", nil},
	} {
		if now, err := pool.Bless(top, c.entry); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("Bless(%q) = %q, error %v", c.entry, now, err)
		}
	}
	if diff := cmp.Diff(before, versions(t, top)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

// TestIntegrationGiveBackHostile has a link where a file is expected, which gives way.
func TestIntegrationGiveBackHostile(t *testing.T) {
	top := newVersions(t, "1+1-2")
	dir, outside := filepath.Join(top.Name(), ".freshroot/given-back"), filepath.Join(t.TempDir(), "x")
	err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(outside, nil, 0o600),
		os.Symlink(outside, filepath.Join(dir, v+"1")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.GiveBack(top, v+"1+1-2"); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(outside); err != nil || info.Size() != 0 {
		t.Errorf("the file outside has changed: %v, %v", info, err)
	}
}
