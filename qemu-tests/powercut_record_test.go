package qemutests_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/freshroot/freshroot/pkg/vm"
	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/freshroot/freshroot/qemu-tests/image"
	"github.com/freshroot/freshroot/qemu-tests/writelog"
)

// noTimerCheck keeps the kernel from giving up on a host that is too busy for the check.
const noTimerCheck = "no_timer_check "

// saveWaiting boots a machine until its init waits for the disk, as many boots begin there.
func saveWaiting(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t)
	m.MemoryMiB, m.Hotplug = 512, 1
	s := m.start(noTimerCheck + "freshroot.timeout=3600")
	s.expect("freshroot: waiting for a disk with a pool: 2s")
	saved := filepath.Join(t.TempDir(), "waiting")
	if err := s.vm.Save(s.ctx, saved); err != nil {
		t.Fatal(err)
	}
	s.vm.Kill()
	m.Resume = saved
	return m
}

// resume goes on with a disk.
func (m *machine) resume(t *testing.T, d vm.Disk) *report {
	t.Helper()
	again := &machine{t, m.Config}
	s := again.start("")
	s.expect("freshroot: waiting for a disk") // until then it may not yet run
	if err := s.vm.AddDisk(s.ctx, d); err != nil {
		t.Fatal(err)
	}
	return s.report()
}

// written is what came to a disk while a machine ran.
type written struct {
	base string // the disk as it was before
	log  *writelog.Log
}

// recording is an episode that a machine went through.
type recording struct {
	episode
	written
	waiting *machine    // what the boots after the cuts begin with
	first   int         // so many entries were there before what matters
	lock    *sync.Mutex // no two copies of a file system may be mounted at a time
	before  outcome     // if power goes before anything has happened
	after   outcome     // if it goes when all has
}

// outcome is a pool when power went, and after the next boot.
type outcome struct {
	cut, booted state
	warnings    []string
}

// record lets a machine live.
func record(t *testing.T) (list []*recording) {
	t.Helper()
	d := disk(t, pool(guest.Pool(
		toolRelease(t, "1.0", vendor10, texts{"share/factory/var/app/a": "1.0"}),
		toolRelease(t, "1.1+0", vendor11, texts{
			"share/factory/var/app/a": "1.1", "share/factory/var/app/b": "1.1",
			"share/factory/var/other/c": "1.1",
		}))))
	lock := new(sync.Mutex)
	for i, e := range life {
		if e.prepare != nil {
			if err := image.Mount(d.Path, 1, false, e.prepare); err != nil {
				t.Fatalf("before %s: %v", e.name, err)
			}
		}
		base := fmt.Sprintf("%s.%d", d.Path, i)
		r := &recording{episode: e, written: written{base: base}, lock: lock}
		copySparse(t, r.base, d.Path)
		r.record(t, d)
		list = append(list, r)
	}
	return list
}

// record goes through the episode, and sees that the log is complete.
func (r *recording) record(t *testing.T, d vm.Disk) {
	t.Helper()
	d.Log = newLog(t, r.base)
	s := newMachine(t, d).start(noTimerCheck + r.cmdline + r.arg())
	if r.command != "" {
		s.expect("^GUEST-READY\n")
		r.first = len(readLog(t, d.Log).Entries)
		s.send("")
	}
	if report := s.report(); report.RunStatus != 0 {
		t.Fatalf("%s: %s", r.name, report.RunOutput)
	}
	r.log = readLog(t, d.Log)
	replayed := r.base + ".replayed"
	r.disk(t, replayed, writelog.All(len(r.log.Entries)))
	if checksum(t, replayed) != checksum(t, d.Path) {
		t.Fatalf("%s: the log does not lead to the disk", r.name)
	}
}

// newLog makes an empty log for a disk.
func newLog(t *testing.T, disk string) string {
	t.Helper()
	path := disk + ".log"
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// busy is an OS that wants something on the disk at once. For that the file system does not
// write all that was done before, and could mix up what came first.
const busy = "for dir in /etc /var /; do echo x | dd of=$dir/marker conv=fsync; done"

// arg is what the guest does. Before it runs the command of the episode, it waits, with all
// that was done so far on the disk.
func (r *recording) arg() string {
	if r.command == "" {
		return " " + guest.RunArg(busy)
	}
	// The tool makes itself a cache in the home directory.
	return " " + guest.RunArg("sync; echo GUEST-READY; read go < /dev/console; HOME=/run "+r.command)
}

// readLog reads the log of a machine that is off, or has just flushed all.
func readLog(t *testing.T, path string) *writelog.Log {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() == 0 { // neither a write nor a flush
		return new(writelog.Log)
	}
	l, err := writelog.Read(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// disk makes the disk that a cut leaves.
func (w written) disk(t *testing.T, path string, c writelog.Cut) {
	t.Helper()
	copySparse(t, path, w.base)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := w.log.Apply(f, c); err != nil {
		t.Fatal(err)
	}
}

func copySparse(t *testing.T, to, from string) {
	t.Helper()
	cp := exec.Command("cp", "--sparse=always", "--reflink=auto", from, to)
	if out, err := cp.CombinedOutput(); err != nil {
		t.Fatalf("copy disk: %v: %s", err, out)
	}
}
