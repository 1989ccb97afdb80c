package apply_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/tmpfiles/apply"
)

const everything = apply.Create | apply.Remove | apply.Clean | apply.Purge

// newRoot makes a root beside a directory that must stay as it is.
func newRoot(t testing.TB, text string) (root, outside string) {
	t.Helper()
	testfs.Root(t)
	unix.Umask(0)
	dir := testfs.Tmpfs(t, "size=16m")
	root, outside = filepath.Join(dir, "root"), filepath.Join(dir, "outside")
	mkdir(t, root+"/etc", root+"/w", outside+"/dir")
	for name, text := range accounts {
		write(t, filepath.Join(root, name), text)
	}
	write(t, outside+"/file", "keep")
	write(t, outside+"/dir/file", "keep")
	script(t, root, "outside="+outside+"\n"+text)
	return root, outside
}

// TestIntegrationLinksLeadNowhere has links out of the root on the way of each type.
func TestIntegrationLinksLeadNowhere(t *testing.T) {
	root, outside := newRoot(t, `
		ln -s $outside w/abs; ln -s ../../outside w/rel; ln -s ../../../../../../../../$outside w/far
		ln -s $outside/file w/file; ln -s /proc/self/root w/magic`)
	since := begin()
	before := snapshot(t, outside, since)
	for _, link := range []string{"abs", "rel", "far", "magic" + outside} {
		for _, letter := range strings.Split("f f+ d D e v p+ L+ c+ C+ w+ z Z t T h H a A r R x X", " ") {
			for _, path := range []string{"/w/" + link + "/dir", "/w/" + link + "/*", "/w/" + link + "/file"} {
				argument := map[byte]string{
					'L': "x", 'C': "/etc", 'w': "x", 't': "user.a=1", 'T': "user.a=1", 'h': "+d",
					'H': "+d", 'a': "u:ada:r", 'A': "u:ada:r", 'f': "x", 'c': "1:3"}[letter[0]]
				line := letter + "= " + path + " 0700 ada ada m:0 " + argument
				applyTo(t, root, line, everything)
			}
		}
	}
	applyTo(t, root, "w /w/file 0600 ada - - spoiled\nd$ /w/abs 0700\nR /w/*/*", everything)
	if diff := cmp.Diff(before, snapshot(t, outside, since)); diff != "" {
		t.Error(diff)
	}
}

// TestIntegrationUnsafe refuses what users can set up to have root do their work.
func TestIntegrationUnsafe(t *testing.T) {
	root, _ := newRoot(t, `
		mkdir -p w/tmp w/home etc/dir; chmod 1777 w/tmp; chown 1000 w/home
		ln -s ../../etc w/tmp/up; ln -s /etc w/tmp/abs; ln -s ../../etc w/home/up
		chown -h 1000 w/tmp/up w/tmp/abs w/home/up; echo secret >etc/shadow
		ln -s ../../etc/shadow w/home/log; ln -s ../../etc/shadow w/tmp/log
		chown -h 1000 w/home/log w/tmp/log`)
	since := begin()
	before := snapshot(t, root+"/etc", since)
	for _, dir := range []string{"/w/tmp/up", "/w/tmp/abs", "/w/home/up"} {
		for _, line := range []string{
			"f " + dir + "/new", "d " + dir + "/new", "z " + dir + "/shadow 0666", "e " + dir + "/dir 0777",
			"L " + dir + "/new - - - - x", "C " + dir + "/new - - - - /w", "w " + dir + "/shadow - - - - x",
		} {
			if status, _ := applyTo(t, root, line, apply.Create); status != 73 {
				t.Errorf("%s: status %d, want 73", line, status)
			}
		}
	}
	for _, line := range []string{"w /w/home/log - - - - x", "w /w/tmp/log - - - - x"} {
		if status, _ := applyTo(t, root, line, apply.Create); status != 73 {
			t.Errorf("%s: status %d, want 73", line, status)
		}
	}
	if diff := cmp.Diff(before, snapshot(t, root+"/etc", since)); diff != "" {
		t.Error(diff)
	}
}

// TestIntegrationSwapped swaps a directory with a link out of the root while lines are
// applied to what is in it.
func TestIntegrationSwapped(t *testing.T) {
	root, outside := newRoot(t, "mkdir -p w/d/dir; touch w/d/file; ln -s $outside w/l")
	since := begin()
	before := snapshot(t, outside, since)
	var swaps sync.WaitGroup
	done := make(chan struct{})
	swaps.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, root+"/w/d", unix.AT_FDCWD, root+"/w/l", unix.RENAME_EXCHANGE)
			}
		}
	})
	config := "f+ /w/d/file 0600 ada - - x\nd /w/d/dir/new 0700 ada\nZ /w/d 0700 ada\nA /w/d - - - - u:ada:rwx\n" +
		"L+ /w/d/file2 - - - - x\nC+ /w/d/dir - - - - /etc\nD /w/d/dir\nR /w/d/*\ne /w/d/dir - ada - m:0\nr /w/d/file"
	for range 300 {
		applyTo(t, root, config, everything)
		_ = os.MkdirAll(root+"/w/d/dir", 0o755)
	}
	close(done)
	swaps.Wait()
	// The MkdirAll above may itself have met the link.
	if diff := cmp.Diff(before, snapshot(t, outside, since)); diff != "" {
		t.Error(diff)
	}
}

// TestIntegrationNames handles names of all bytes and lengths.
func TestIntegrationNames(t *testing.T) {
	long := strings.Repeat("n", unix.NAME_MAX)
	root, _ := newRoot(t, "mkdir w/"+long+"; printf 'x' >\"w/$(printf '\\377\\n\\001')\"")
	applyTo(t, root, "L+ /w/"+long+" - - - - x\nz /w/* 0600 ada", apply.Create)
	var st unix.Stat_t
	if err := unix.Lstat(root+"/w/"+long, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFLNK {
		t.Errorf("mode %o, %v", st.Mode, err)
	}
	if err := unix.Lstat(root+"/w/\xff\n\x01", &st); err != nil || st.Uid != 1000 {
		t.Errorf("owner %d, %v", st.Uid, err)
	}
}

// TestIntegrationDeep does not run out of descriptors or stack in a deep tree.
func TestIntegrationDeep(t *testing.T) {
	root, _ := newRoot(t, "")
	dir, err := unix.Open(root+"/w", unix.O_PATH, 0)
	for range 1000 {
		if err == nil {
			err = unix.Mkdirat(dir, "d", 0o755)
		}
		if err == nil {
			var next int
			next, err = unix.Openat(dir, "d", unix.O_PATH, 0)
			unix.Close(dir)
			dir = next
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(dir)
	for _, line := range []string{"Z /w 0700", "C /c - - - - /w", "L+ /w - - - - x"} {
		status, said := applyTo(t, root, line, apply.Create)
		if status != 73 || !strings.Contains(said, "too long") {
			t.Errorf("%s: status %d, %.200s", line, status, said)
		}
	}
}

// TestIntegrationNobodyReads does not wait at a FIFO.
func TestIntegrationNobodyReads(t *testing.T) {
	root, _ := newRoot(t, "mkfifo w/p")
	finished := make(chan int)
	go func() {
		status, _ := applyTo(t, root, "w /w/p - - - - x\nf+ /w/p - - - - x\nh /w/p - - - - +d", apply.Create)
		finished <- status
	}()
	select {
	case status := <-finished:
		if status != 73 {
			t.Errorf("status %d, want 73", status)
		}
	case <-time.After(time.Minute):
		t.Fatal("it waits")
	}
}
