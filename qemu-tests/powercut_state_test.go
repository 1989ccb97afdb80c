package qemutests_test

import (
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	instances "github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/freshroot/freshroot/qemu-tests/image"
	"github.com/freshroot/freshroot/qemu-tests/manifest"
)

// state is all that is in a pool but the content of the golden masters, which nobody can
// write to: what there is to know of each file, by its path.
type state map[string]string

// trashed is the time in the name of an entry of the trash, which is that of the boot.
var trashed = regexp.MustCompile(`@(\d+)-\d{8}T\d{6}Z`)

// look reads the pool of a disk.
func (r *recording) look(t *testing.T, disk string) state {
	t.Helper()
	r.lock.Lock()
	defer r.lock.Unlock()
	s := state{}
	// Writable, for the log of the file system may have to be replayed.
	err := image.Mount(disk, 1, false, func(top string) error {
		// Or a program that another test starts now keeps files open for a moment.
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		return manifest.Walk(top, func(f manifest.File) error { return s.add(top, f) })
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// lookAtCopy reads the pool of a disk and leaves that as it is.
func (r *recording) lookAtCopy(t *testing.T, disk string) state {
	t.Helper()
	scratch := disk + ".copy"
	copySparse(t, scratch, disk)
	defer os.Remove(scratch)
	return r.look(t, scratch)
}

// add takes a file. A machine-id is made up by each first boot, and directories of our
// own are made when they are needed.
func (s state) add(top string, f manifest.File) error {
	name := strings.TrimPrefix(strings.TrimPrefix(f.Path, top), "/")
	if path.Dir(name) == ".freshroot" && f.About == "40700 0:0" {
		return nil
	}
	about := f.About
	if f.Same != "" {
		about = "is " + strings.TrimPrefix(f.Same, top)
	}
	if path.Base(name) == "machine-id" {
		about = "machine-id"
	}
	s[trashed.ReplaceAllString(name, "@$1")] = trashed.ReplaceAllString(about, "@$1")
	if strings.HasPrefix(name, "usr:") {
		return filepath.SkipDir
	}
	return nil
}

// below is what a directory holds.
func (s state) below(dir string) state {
	part := state{}
	for name, about := range s {
		if strings.HasPrefix(name, dir+"/") {
			part[name] = about
		}
	}
	return part
}

// content is a part without what is done to it in place before the OS starts.
func (s state) content() state {
	maps.DeleteFunc(s, func(name, _ string) bool {
		return path.Base(name) == "machine-id" || path.Base(name) == ".freshroot.new"
	})
	return s
}

// split separates the entries of a directory from each other and from the rest.
func (s state) split(dir string) map[string]state {
	parts := map[string]state{}
	for name, about := range s {
		where := ""
		if rest, is := strings.CutPrefix(name, dir+"/"); is && dir != "" {
			where, _, _ = strings.Cut(rest, "/")
		}
		if parts[where] == nil {
			parts[where] = state{}
		}
		parts[where][name] = about
	}
	return parts
}

// What is done to a pool, or to its instance, before an episode.

func inOrder(steps ...func(top string) error) func(top string) error {
	return func(top string) error {
		for _, step := range steps {
			if err := step(top); err != nil {
				return err
			}
		}
		return nil
	}
}

func rename(from, to string) func(top string) error {
	return func(top string) error {
		return os.Rename(filepath.Join(top, from), filepath.Join(top, to))
	}
}

// administer runs commands in /etc/up.
func administer(commands string) func(top string) error {
	return func(top string) error {
		cmd := exec.Command("sh", "-ec", commands)
		cmd.Dir = filepath.Join(top, instance, "etc/up")
		return cmd.Run()
	}
}

// fill puts something into directories of the instance.
func fill(dirs ...string) func(top string) error {
	return func(top string) error {
		files := texts{}
		for _, dir := range dirs {
			files[dir+"/mine/file"] = "mine"
			files[dir+"/mine/large"] = strings.Repeat("large", 1<<15)
		}
		return writeTree(filepath.Join(top, instance), files)
	}
}

// askUndo asks for what was thrown away last.
func askUndo(top string) error {
	dir, err := os.Open(top)
	if err != nil {
		return err
	}
	defer dir.Close()
	list, err := instances.Trash(dir)
	if err != nil {
		return err
	}
	newest, _ := reset.Newest(list, instance)
	return instances.WriteRequest(dir, instance, reset.Request{Undo: newest.String()})
}

// toolRelease is a release with the tool.
func toolRelease(t *testing.T, version string, up, others texts) guest.Member {
	t.Helper()
	m, tool := release(usr+version, busybox.get(t), up, others), withTool(t, version)
	return guest.Member{Name: m.Name, Usr: m.Usr, Edit: inOrder(m.Edit, tool.Edit)}
}
