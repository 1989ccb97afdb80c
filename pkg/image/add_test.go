package image_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/image"
	"github.com/freshroot/freshroot/pkg/pool"
)

// TestIntegrationAddOtherArch must leave an image alone that is for another architecture.
func TestIntegrationAddOtherArch(t *testing.T) {
	arm := strings.Replace(elfX86, "\x3e", "\xb7", 1)
	path := buildOf(t, map[string]string{"usr/bin/true": arm}, func(o *image.Options) { o.Fill.Usr.Arch = "arm64" })
	before, err := os.Stat(path)
	must(t, err)
	_, err = image.Add(t.Context(), path, open(t, tree(t, nil)), image.AddOptions{Fill: fillOptions(t, "2.0")})
	const want = "it is an image for arm64, and the version for x86-64: give --arch arm64"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("it was added: %v", err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("the image is another one (%v)", err)
	}
	fill := fillOptions(t, "2.0")
	fill.Usr.Arch = "arm64"
	from := tree(t, map[string]string{"usr/bin/true": arm})
	o := image.AddOptions{Fill: fill, Boot: image.BootOptions{Style: esp.None}}
	_, err = image.Add(t.Context(), path, open(t, from), o)
	must(t, err)
}

// TestIntegrationAddKeeps adds to somebody's private image, by a link. All of that has to
// stay, and nobody else may read the copy while it is made.
func TestIntegrationAddKeeps(t *testing.T) {
	path := build(t, nil)
	link := filepath.Join(t.TempDir(), "link.img")
	must(t, os.Symlink(path, link))
	must(t, os.Chown(path, 1000, 1001))
	must(t, os.Chmod(path, 0o600))
	must(t, unix.Setxattr(path, "user.note", []byte("mine"), 0))
	testfs.Run(t, "setfacl", "-d", "-m", "u:1002:r", filepath.Dir(path)) // for new files

	fill, copies := fillOptions(t, "2.0"), 0
	fill.Progress = func(step string, _, _ int64) {
		for _, copied := range openBeside(t, path) {
			copies++
			checkPrivate(t, copied)
		}
	}
	o := image.AddOptions{Fill: fill, Boot: image.BootOptions{Style: esp.None}}
	result, err := image.Add(t.Context(), link, open(t, tree(t, nil)), o)
	if err != nil || result.Output != link || copies == 0 {
		t.Errorf("%v, %d times of %q", err, copies, result.Output)
	}
	checkPrivate(t, path)
	if to, err := os.Readlink(link); err != nil || to != path {
		t.Errorf("the link leads to %q (%v)", to, err)
	}
	if got := names(t, filepath.Dir(link)) + " " + names(t, filepath.Dir(path)); got != "link.img disk.img" {
		t.Errorf("there are %s", got)
	}
}

// openBeside lists the files without a name that this process has beside another one.
func openBeside(t *testing.T, path string) (list []string) {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	must(t, err)
	for _, fd := range fds {
		name, err := os.Readlink(fd)
		if err == nil && strings.HasPrefix(name, filepath.Dir(path)) && strings.HasSuffix(name, "(deleted)") {
			list = append(list, fd)
		}
	}
	return list
}

// checkPrivate wants a file to be like the image of the test.
func checkPrivate(t *testing.T, path string) {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Stat(path, &st))
	if got := fmt.Sprintf("%d:%d %o", st.Uid, st.Gid, st.Mode&0o7777); got != "1000:1001 600" {
		t.Errorf("%s is %s", path, got)
	}
	if _, err := unix.Getxattr(path, "system.posix_acl_access", nil); err != unix.ENODATA {
		t.Errorf("%s has an ACL (%v)", path, err)
	}
	note := make([]byte, 10)
	if n, err := unix.Getxattr(path, "user.note", note); err != nil || string(note[:n]) != "mine" {
		t.Errorf("%s has the note %q (%v)", path, note, err)
	}
}

// TestIntegrationAddInterrupted stops it while the image is copied, where nothing can be
// shared. It must be told of the copy, which must end soon.
func TestIntegrationAddInterrupted(t *testing.T) {
	path := filepath.Join(testfs.Tmpfs(t, "size=1g"), "disk.img")
	testfs.Run(t, "cp", "--sparse=always", build(t, nil), path)
	before, err := os.Stat(path)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	fill, told := fillOptions(t, "2.0"), 0
	fill.Progress = func(step string, done, total int64) {
		if told > 0 && step != "copy" || total != before.Size() && done > 0 {
			t.Errorf("it came to %s, %d of %d", step, done, total)
		}
		if told++; done > 0 {
			cancel()
		}
	}
	_, err = image.Add(ctx, path, open(t, tree(t, nil)), image.AddOptions{Fill: fill})
	if !errors.Is(err, context.Canceled) || told != 3 {
		t.Errorf("told %d times, and then %v", told, err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("the image is another one (%v)", err)
	}
	if got := names(t, filepath.Dir(path)); got != "disk.img" {
		t.Errorf("there are %s", got)
	}
}

// TestIntegrationAddAtOnce adds versions to one image at the same time: none gets lost.
func TestIntegrationAddAtOnce(t *testing.T) {
	path, from := build(t, nil), tree(t, nil)
	versions := []string{"2.0", "3.0", "4.0"}
	done := make(chan error)
	for _, version := range versions {
		o := image.AddOptions{Fill: fillOptions(t, version), Boot: image.BootOptions{Style: esp.None}}
		src := open(t, from)
		go func() {
			_, err := image.Add(t.Context(), path, src, o)
			done <- err
		}()
	}
	for range versions {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	i, err := image.Open(path)
	must(t, err)
	defer i.Close()
	must(t, i.WithPool(func(top *os.File) error {
		entries, err := pool.Entries(top)
		got := strings.Join(slices.Sorted(slices.Values(entries)), " ")
		for _, version := range append(versions, "1.0") {
			if !strings.Contains(got, ":"+version) {
				t.Errorf("%s is not there: %s", version, got)
			}
		}
		return err
	}))
}

// TestIntegrationAddWaits is interrupted while somebody else changes the image.
func TestIntegrationAddWaits(t *testing.T) {
	path := build(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	other, err := device.OpenLocked(ctx, path, os.O_RDONLY)
	must(t, err)
	defer other.Close()
	fill := fillOptions(t, "2.0")
	fill.Progress = func(string, int64, int64) { cancel() }
	_, err = image.Add(ctx, path, open(t, tree(t, nil)), image.AddOptions{Fill: fill})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("after an interrupt: %v", err)
	}
}
