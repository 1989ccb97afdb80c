package factory

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestCurrentUmask(t *testing.T) {
	for _, want := range []uint32{0, 0o22, 0o777} {
		setUmask(t, int(want))
		if diff := cmp.Diff(want, currentUmask()); diff != "" {
			t.Errorf("umask (-want +got):\n%s", diff)
		}
	}
}

// A label is quoted, and short however deep the entry is.
func TestLabel(t *testing.T) {
	top := &dir{}
	d := &dir{parent: &dir{parent: top, name: "etc"}, name: "a\nb"}
	if diff := cmp.Diff(`"etc/a\nb/c\xff"`, d.label("c\xff")); diff != "" {
		t.Errorf("label (-want +got):\n%s", diff)
	}
	long := strings.Repeat("x", 200)
	for range 100 {
		d = &dir{parent: d, name: long}
	}
	want := fmt.Sprintf("%q", "etc/a\nb/"+long[:120]+"..."+long[:123]+"/last")
	if diff := cmp.Diff(want, d.label("last")); diff != "" {
		t.Errorf("label (-want +got):\n%s", diff)
	}
}

// The callers' descriptors may be O_PATH, or read to the end; they stay open,
// and a copy works twice.
func TestIntegrationDescriptors(t *testing.T) {
	need(t)
	src, dst := shared(t), shared(t)
	writeFile(t, filepath.Join(src, "a/b"), "c")
	from, err := os.Open(src)
	must(t, err)
	defer from.Close()
	_, err = from.ReadDir(-1)
	must(t, err)
	fd, err := unix.Open(dst, unix.O_PATH|unix.O_DIRECTORY, 0)
	must(t, err)
	to := os.NewFile(uintptr(fd), dst)
	defer to.Close()
	before := openFDs(t)
	for _, want := range []Stats{{Dirs: 1, Files: 1, Bytes: 1}, {Kept: 1}} {
		got, err := Copy(to, from, Options{})
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff(before, openFDs(t)); diff != "" {
		t.Errorf("descriptors (-before +after):\n%s", diff)
	}
}

// What is not a directory is refused, on either side.
func TestIntegrationNotDirectory(t *testing.T) {
	need(t)
	top := shared(t)
	writeFile(t, filepath.Join(top, "file"), "")
	for want, paths := range map[string][2]string{
		"open factory: not a directory":           {"file", "."},
		"open target of factory: not a directory": {".", "file"},
	} {
		src, dst := filepath.Join(top, paths[0]), filepath.Join(top, paths[1])
		_, err := copyTree(t, dst, src, Options{})
		if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" {
			t.Errorf("error (-want +got):\n%s", diff)
		}
	}
}
