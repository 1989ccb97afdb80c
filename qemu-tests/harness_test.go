package qemutests_test

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/freshroot/freshroot/pkg/archive"
	"github.com/freshroot/freshroot/pkg/vm"
	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/freshroot/freshroot/qemu-tests/image"
	"github.com/freshroot/freshroot/qemu-tests/vmtest"
)

// bootTime is far beyond what a boot takes under emulation on a busy machine.
const bootTime = 5 * time.Minute

// What the members of the tests' pools are called.
const (
	vendor   = "org.example.busybox"
	usr      = "usr:" + vendor + ":x86-64:" // a version follows
	instance = "root:default:" + vendor + ":x86-64"
)

// shared is something that takes long to make and is made once for all tests.
type shared[T any] func() (T, error)

func share[T any](produce func(context.Context) (T, error)) shared[T] {
	// It outlives the test that happens to need it first.
	return sync.OnceValues(func() (T, error) { return produce(context.Background()) })
}

func (s shared[T]) get(t *testing.T) T {
	t.Helper()
	needRoot(t)
	v, err := s()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

var (
	kernel  = share(guest.FetchKernel)
	busybox = share(guest.Busybox)
	debian  = share(func(ctx context.Context) (*guest.Tree, error) {
		return guest.Debian(ctx, "bookworm")
	})

	// virtio boots most machines, everywhere all of them.
	virtio     = shareInitramfs("virtio", archive.ShellIfAdded)
	everywhere = shareInitramfs("default", archive.ShellIfAdded)
	rescue     = shareInitramfs("virtio", archive.ShellRescue)
)

// scratch holds what the tests share. It goes when they are through.
var scratch string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "qemu-tests")
	if err != nil {
		log.Fatal(err)
	}
	scratch = dir
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

func shareInitramfs(modules string, shell archive.Shell) shared[archive.Result] {
	return share(func(ctx context.Context) (archive.Result, error) {
		o, err := initramfsOptions(modules)
		if err != nil {
			return archive.Result{}, err
		}
		f, err := os.CreateTemp(scratch, "initramfs")
		if err != nil {
			return archive.Result{}, err
		}
		o.Output, o.Shell = f.Name(), shell
		f.Close()
		return archive.Build(ctx, o)
	})
}

// initramfsOptions is what makes an initramfs of this checkout for the tests' kernel.
func initramfsOptions(modules string) (archive.Options, error) {
	k, err := kernel()
	if err != nil {
		return archive.Options{}, err
	}
	found, err := archive.FindKernel(k.Dir, k.Release, "")
	if err != nil {
		return archive.Options{}, err
	}
	wanted, err := archive.ParseModules(modules)
	return archive.Options{Source: "..", Kernel: found, Modules: wanted}, err
}

// build makes an initramfs for one test; edit may change how.
func build(t *testing.T, modules string, edit func(*archive.Options)) archive.Result {
	t.Helper()
	needRoot(t)
	o, err := initramfsOptions(modules)
	if err != nil {
		t.Fatal(err)
	}
	o.Output = filepath.Join(t.TempDir(), "initramfs")
	edit(&o)
	result, err := archive.Build(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// needRoot skips a test that makes images and boots them.
func needRoot(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("boots virtual machines")
	}
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("must be root under CI")
	}
	t.Skip("must be root to make images")
}

// master is a golden master of the busybox guest; edit, if not nil, changes it.
func master(t *testing.T, version string, edit func(root string) error) guest.Member {
	t.Helper()
	return guest.Member{Name: usr + version, Usr: busybox.get(t), Edit: edit}
}

// poolSize is enough for the busybox guest and what a test adds.
const poolSize = 160 // MiB

// pool is the disk that freshroot expects.
func pool(populate func(top string) error) image.Spec {
	return image.Spec{
		SizeMiB: poolSize, Partitions: []image.Partition{image.Pool(populate)},
	}
}

// disk makes a disk of the image that a spec describes.
func disk(t *testing.T, s image.Spec) vm.Disk {
	t.Helper()
	needRoot(t)
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := image.Create(path, s); err != nil {
		t.Fatal(err)
	}
	return vm.Disk{Path: path, SectorSize: s.SectorSize}
}

// machine can be booted again and again.
type machine struct {
	t *testing.T
	vm.Config
}

// newMachine makes one with these disks, and drivers for those that are virtio.
func newMachine(t *testing.T, disks ...vm.Disk) *machine {
	t.Helper()
	return &machine{t, vm.Config{
		Kernel: kernel.get(t).Image, Initramfs: virtio.get(t).Output, Disks: disks,
	}}
}

// busyboxMachine has a pool with one version of the busybox guest.
func busyboxMachine(t *testing.T) *machine {
	t.Helper()
	return newMachine(t, disk(t, pool(guest.Pool(master(t, "1.0", nil)))))
}

// start boots the machine. Where it fails unexpectedly, panic= ends it at once. A boot
// loader brings a command line of its own.
func (m *machine) start(cmdline string) *session {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), bootTime)
	m.t.Cleanup(cancel)
	c := m.Config
	if c.Kernel != "" {
		c.Cmdline = "console=ttyS0 panic=1 " + cmdline
	}
	return &session{m.t, ctx, vmtest.ForTest(m.t, c)}
}

// boot boots the machine and waits until it is off.
func (m *machine) boot(cmdline string) *report {
	m.t.Helper()
	return m.start(cmdline).report()
}

// session is a machine that runs.
type session struct {
	t   *testing.T
	ctx context.Context
	vm  *vm.VM
}

// expect waits until the patterns have been on the console, in this order.
func (s *session) expect(patterns ...string) {
	s.t.Helper()
	for _, p := range patterns {
		if _, err := s.vm.Expect(s.ctx, p); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *session) send(line string) {
	s.t.Helper()
	if err := s.vm.Send(line); err != nil {
		s.t.Fatal(err)
	}
}

// wait waits until the machine has switched itself off.
func (s *session) wait() {
	s.t.Helper()
	if err := s.vm.Wait(s.ctx); err != nil {
		s.t.Fatal(err)
	}
}

// report is what the guest says, with boot.json read.
type report struct {
	*guest.Report
	boot    bootJSON
	console string
}

// bootJSON is what the tests look at of /run/freshroot/boot.json.
type bootJSON struct {
	Format    int
	Kernel    string
	Mode      string
	Pool      struct{ Device, Disk, PartUUID, PartLabel, UUID, Label string }
	Usr       string
	Version   string
	Degraded  bool
	Tries     tries
	CountedBy string `json:"counted_by"`
	Skipped   []struct{ Entry, Reason string }
	Instance  string
	Made      []string
	Init      string
	Warnings  []string
	Modules   []timed
	Phases    []timed
	Steps     []timed
}

// tries is a counter.
type tries struct{ Left, Done int }

// timed is something that took time; both times are seconds.
type timed struct {
	Name     string
	At, Took float64
}

func names(list []timed) []string {
	var names []string
	for _, item := range list {
		names = append(names, item.Name)
	}
	return names
}

// report waits for the end and reads what the guest has said.
func (s *session) report() *report {
	s.t.Helper()
	s.wait()
	return s.said()
}

// reportAndKill is report for a machine that cannot switch itself off.
func (s *session) reportAndKill() *report {
	s.t.Helper()
	s.expect("^GUEST-DONE\n")
	s.vm.Kill()
	return s.said()
}

// said reads what the guest has said.
func (s *session) said() *report {
	s.t.Helper()
	r := &report{console: s.vm.Output()}
	var err error
	if r.Report, err = guest.ParseReport(r.console); err != nil {
		s.t.Fatalf("%v\n%s", err, r.console)
	}
	if err := json.Unmarshal(r.BootJSON, &r.boot); err != nil {
		s.t.Fatalf("read boot.json: %v\n%s", err, r.BootJSON)
	}
	return r
}

// warned says whether a warning is in boot.json, and was on the console.
func (r *report) warned(pattern string) bool {
	re := regexp.MustCompile(pattern)
	return slices.ContainsFunc(r.boot.Warnings, re.MatchString) &&
		regexp.MustCompile(`freshroot: .*`+pattern).MatchString(r.console)
}
