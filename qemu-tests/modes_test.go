package qemutests_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/pkg/version"
	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/freshroot/freshroot/qemu-tests/image"
	"github.com/google/go-cmp/cmp"
)

// mode is what a mode promises, as the table in DESIGN.md has it.
type mode struct {
	name string
	// What is mounted at / and at /var: "type root", where root is the directory of
	// the file system. "" is no mount.
	root, varMount string
	volatileRoot   bool         // systemd is told of the disk behind
	etc, variable  guest.Marker // of a marker in /etc and /var, in the second boot
}

func modes(instance string) []mode {
	return []mode{
		{"no", "btrfs /" + instance, "", false, guest.MarkerKept, guest.MarkerKept},
		{"state", "btrfs /" + instance, "tmpfs /", false, guest.MarkerKept, guest.MarkerNew},
		{"yes", "tmpfs /", "", true, guest.MarkerNew, guest.MarkerNew},
		{"overlay", "overlay /", "", true, guest.MarkerNew, guest.MarkerNew},
	}
}

// modeOf is the one of this name.
func modeOf(instance, name string) mode {
	all := modes(instance)
	return all[slices.IndexFunc(all, func(m mode) bool { return m.name == name })]
}

// check compares a report with what the mode promises. etc and variable are the
// markers to be found.
func (m mode) check(t *testing.T, r *report, entry string, etc, variable guest.Marker) {
	t.Helper()
	want := map[string]string{
		"/": m.root, "/usr": "btrfs /" + entry, "/etc": "", "/var": m.varMount,
		"marker /etc": string(etc), "marker /var": string(variable),
		"marker /": string(etc), "marker /root": string(etc), "marker /home": string(etc),
		"marker /var/lib": string(variable),
		"usr":             "read-only", "mode": m.name, "booted": entry,
	}
	got := map[string]string{"usr": "read-only", "mode": r.boot.Mode, "booted": r.boot.Usr}
	if r.UsrWritable {
		got["usr"] = "writable"
	}
	for key := range want {
		if dir, ok := strings.CutPrefix(key, "marker "); ok {
			got[key] = string(r.Markers[dir])
		} else if strings.HasPrefix(key, "/") {
			got[key] = mounted(r, key)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the guest sees (-want +got):\n%s", diff)
	}
	if link := strings.HasPrefix(r.VolatileRoot, "/dev/block/"); link != m.volatileRoot {
		t.Errorf("/run/systemd/volatile-root is %q", r.VolatileRoot)
	}
	checkTop(t, r)
}

func mounted(r *report, point string) string {
	if m := r.Mount(point); m != nil {
		return m.Type + " " + m.Root
	}
	return ""
}

// checkTop sees that the top level of the pool is mounted nowhere.
func checkTop(t *testing.T, r *report) {
	t.Helper()
	for _, m := range r.Mounts {
		if m.Type == "btrfs" && m.Root == "/" {
			t.Errorf("the pool's top level is mounted on %s", m.Point)
		}
	}
}

// TestIntegrationModes boots each mode twice on one disk.
func TestIntegrationModes(t *testing.T) {
	for _, mode := range modes(instance) {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			m := busyboxMachine(t)
			cmdline := "volatile=" + mode.name
			mode.check(t, m.boot(cmdline), usr+"1.0", guest.MarkerNew, guest.MarkerNew)
			mode.check(t, m.boot(cmdline), usr+"1.0", mode.etc, mode.variable)
		})
	}
}

// TestIntegrationInit looks at what the init of the OS is given: by the kernel, and by
// us.
func TestIntegrationInit(t *testing.T) {
	t.Parallel()
	r := busyboxMachine(t).boot("foo=bar baz volatile=yes " +
		guest.RunArg("umask; ls -l /proc/1/fd; grep -E '^Sig(Blk|Ign)' /proc/1/status"))
	argv := []string{"/usr/bin/busybox", "sh", "/usr/sbin/init", "baz"}
	if diff := cmp.Diff(argv, r.Argv); diff != "" {
		t.Errorf("argv (-want +got):\n%s", diff)
	}
	env := strings.Join(r.Env, "\n") + "\n"
	for _, want := range []string{"foo=bar\n", "TERM=linux\n", "HOME=/\n"} {
		if !strings.Contains(env, want) {
			t.Errorf("the environment lacks %q:\n%s", want, env)
		}
	}
	if !strings.HasPrefix(r.RunOutput, "0022\n") {
		t.Errorf("the umask is not the kernel's: %s", r.RunOutput)
	}
	if !strings.Contains(r.RunOutput, "SigBlk:\t0000000000000000\n") {
		t.Errorf("signals are blocked: %s", r.RunOutput)
	}
}

// TestIntegrationInitOption boots an init that is not among the usual ones.
func TestIntegrationInitOption(t *testing.T) {
	t.Parallel()
	member := master(t, "1.0", func(root string) error {
		return os.Rename(filepath.Join(root, "sbin/init"), filepath.Join(root, "lib/own"))
	})
	m := newMachine(t, disk(t, pool(guest.Pool(member))))
	r := m.boot("volatile=yes init=/usr/lib/own")
	if diff := cmp.Diff("/usr/lib/own", r.boot.Init); diff != "" {
		t.Errorf("init (-want +got):\n%s", diff)
	}
}

// TestIntegrationRecord reads boot.json, and sees that the initramfs is gone.
func TestIntegrationRecord(t *testing.T) {
	t.Parallel()
	r := busyboxMachine(t).boot("")
	b := r.boot
	got := []string{b.Kernel, b.Mode, b.Usr, b.Version, b.Instance, b.Init, b.Pool.PartLabel}
	want := []string{
		kernel.get(t).Release, "no", usr + "1.0", "1.0", instance, "/usr/sbin/init",
		"freshroot",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("boot.json (-want +got):\n%s", diff)
	}
	phases := []string{"early", "devices", "pool", "pick", "root"}
	if diff := cmp.Diff(phases, names(b.Phases)); diff != "" {
		t.Errorf("phases (-want +got):\n%s", diff)
	}
	for _, p := range append(b.Phases, b.Steps...) {
		if p.At <= 0 || p.Took < 0 || p.At+p.Took > r.Uptime {
			t.Errorf("%s took %v s at %v s, of %v s", p.Name, p.Took, p.At, r.Uptime)
		}
	}
	if len(b.Steps) == 0 || len(b.Modules) == 0 {
		t.Errorf("no steps (%v) or no modules (%v)", b.Steps, b.Modules)
	}
	if b := r.Meminfo; b["MemFree"] == 0 {
		t.Errorf("no figures of the memory: %v", b)
	}
	left := int64(r.Meminfo["Shmem"]+r.Meminfo["Unevictable"]) << 10
	if held := virtio.get(t).Unpacked; left > held/4 {
		t.Errorf("%d bytes of RAM are held, by an initramfs of %d?", left, held)
	}
}

// TestIntegrationFactory compares all of /etc and /var with the factory, by a program
// that knows nothing of freshroot.
func TestIntegrationFactory(t *testing.T) {
	manifest := buildManifest(t)
	member := master(t, "1.0", func(root string) error {
		return exec.Command("cp", manifest, filepath.Join(root, "bin/manifest")).Run()
	})
	image := pool(guest.Pool(member))
	for _, mode := range modes(instance) {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			const factory = "/usr/share/factory"
			r := newMachine(t, disk(t, image)).boot("volatile=" + mode.name + " " + guest.RunArg(
				"cd "+factory+" && manifest etc var; echo ---; cd / && manifest etc var"))
			want, got, _ := strings.Cut(r.RunOutput, "---\n")
			if mode.name == "yes" && version.Compare(kernel.get(t).Release, "6.6") < 0 {
				// Before, a tmpfs could not store the attributes of users.
				want = strings.ReplaceAll(want, ` user.guest="bytes\x00\xff"`, "")
			}
			if strings.Count(want, "\n") < 20 {
				t.Fatalf("no factory: %s", r.RunOutput)
			}
			if diff := cmp.Diff(strings.Split(want, "\n"), withoutOwn(got)); diff != "" {
				t.Errorf("the copy (-factory +root):\n%s", diff)
			}
		})
	}
}

// withoutOwn splits a manifest into lines, and leaves out what the init adds.
func withoutOwn(manifest string) []string {
	return slices.DeleteFunc(strings.Split(manifest, "\n"), func(line string) bool {
		path, _, _ := strings.Cut(line, " ")
		return slices.Contains([]string{`"etc/machine-id"`, `"etc/.freshroot"`, `"var/.freshroot"`}, path)
	})
}

// buildManifest compiles the program that lists trees.
func buildManifest(t *testing.T) string {
	t.Helper()
	return compileFor(t, "./manifest/program")
}

// compileFor compiles a program that a guest can run.
func compileFor(t *testing.T, dir string) string {
	t.Helper()
	needRoot(t)
	path := filepath.Join(t.TempDir(), filepath.Base(dir))
	cmd := exec.Command("go", "build", "-ldflags=-s", "-o", path, dir)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return path
}

// TestIntegrationYesChangesNothing cuts the power of a persistent boot, so that the
// file system is left with a log to replay, and then boots what must not do so.
func TestIntegrationYesChangesNothing(t *testing.T) {
	t.Parallel()
	m := busyboxMachine(t)
	s := m.start("guest.stay " + guest.RunArg(
		"sync; echo precious | dd of=/etc/precious conv=fsync"))
	s.expect("GUEST-RUN-END 0", "GUEST-DONE")
	s.vm.Powercut()
	path := m.Disks[0].Path
	if !needsReplay(t, path) {
		t.Fatal("the file system has no log to replay")
	}

	before := checksum(t, path)
	r := m.boot("volatile=yes " + guest.RunArg("ls /etc/precious"))
	if diff := cmp.Diff(before, checksum(t, path)); diff != "" {
		t.Error("volatile=yes has changed the disk")
	}
	if r.RunStatus == 0 {
		t.Error("volatile=yes shows the instance's /etc")
	}

	r = m.boot("volatile=no " + guest.RunArg("cat /etc/precious"))
	if diff := cmp.Diff("precious\n", r.RunOutput); diff != "" {
		t.Errorf("what was synced (-want +got):\n%s", diff)
	}

	// Without a log it is mounted in another way.
	if needsReplay(t, path) {
		t.Fatal("the file system has a log to replay")
	}
	before = checksum(t, path)
	m.boot("volatile=yes")
	if diff := cmp.Diff(before, checksum(t, path)); diff != "" {
		t.Error("volatile=yes has changed the disk, which had no log")
	}
}

// needsReplay reads from the superblock whether there is a tree of logs.
func needsReplay(t *testing.T, path string) bool {
	t.Helper()
	const partition, super, logRoot = 1 << 20, 64 << 10, 0x60
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var at [8]byte
	if _, err := f.ReadAt(at[:], partition+super+logRoot); err != nil {
		t.Fatal(err)
	}
	return binary.LittleEndian.Uint64(at[:]) != 0
}

func checksum(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// TestIntegrationOverlayShowsInstance changes what a persistent boot has left, in two
// boots that each find it as it was left.
func TestIntegrationOverlayShowsInstance(t *testing.T) {
	t.Parallel()
	const change = "cat /etc/left; ls /var/gone; " +
		"echo changed > /etc/left; rm /var/gone; echo > /etc/added"
	m := busyboxMachine(t)
	m.boot("volatile=no " + guest.RunArg("echo as it was > /etc/left; touch /var/gone"))
	for range 2 {
		r := m.boot("volatile=overlay " + guest.RunArg(change))
		if diff := cmp.Diff("as it was\n/var/gone\n", r.RunOutput); diff != "" {
			t.Errorf("what the overlay shows (-want +got):\n%s", diff)
		}
	}
	r := m.boot("volatile=no " + guest.RunArg("cat /etc/left; ls /var/gone /etc/added"))
	want := "as it was\nls: /etc/added: No such file or directory\n/var/gone\n"
	if diff := cmp.Diff(want, r.RunOutput); diff != "" {
		t.Errorf("the instance afterwards (-want +got):\n%s", diff)
	}
	inPool(t, m, func(top string) error {
		left, err := filepath.Glob(filepath.Join(top, ".freshroot/staging/*"))
		if len(left) > 0 {
			t.Errorf("left in staging: %q", left)
		}
		return err
	})
}

// inPool looks at the pool of a machine that is off.
func inPool(t *testing.T, m *machine, look func(top string) error) {
	t.Helper()
	if err := image.Mount(m.Disks[0].Path, 1, true, look); err != nil {
		t.Fatal(err)
	}
}
