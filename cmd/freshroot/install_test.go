package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/download"
	"github.com/freshroot/freshroot/pkg/gpt"
)

// loopDisk makes a disk of some MiB, with losetup's options.
func loopDisk(t *testing.T, mib int64, options ...string) string {
	t.Helper()
	return loopOf(t, t.TempDir(), mib, options...)
}

// loopOf makes one whose file is in a directory.
func loopOf(t *testing.T, dir string, mib int64, options ...string) string {
	t.Helper()
	testfs.Root(t)
	path := filepath.Join(dir, "disk")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, mib<<20)); err != nil {
		t.Fatal(err)
	}
	loop := strings.TrimSpace(testfs.Run(t, "losetup", append(options, "-f", "--show", path)...))
	t.Cleanup(func() { testfs.Run(t, "losetup", "-d", loop) })
	return loop
}

// with adds to arguments.
func with(args []string, more ...string) []string { return append(slices.Clip(args), more...) }

// installArgs are the flags for a small OS, and where its tree is.
func installArgs(t *testing.T) (tree string, args []string) {
	t.Helper()
	small := smallOS(t, "1.0") // which begin with the source
	return small[1], append([]string{"install", "--esp-size", "40M", "--yes"}, small[2:]...)
}

// TestIntegrationInstall installs a directory, and then over it what a server has.
func TestIntegrationInstall(t *testing.T) {
	tree, args := installArgs(t)
	disk := loopDisk(t, 400)
	out, err := run(t, with(args, "--usr", tree, disk)...)
	if err != nil || !strings.HasSuffix(out, disk+" boots usr:org.example.os:x86-64:1.0 with Linux 6.1\n") {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := run(t, with(args, "--usr", tree, disk)...); err == nil || !strings.Contains(err.Error(), "--wipe") {
		t.Errorf("a disk with an OS: %v\n%s", err, out)
	}

	tar := filepath.Join(t.TempDir(), "os.tar")
	testfs.Run(t, "tar", "-C", tree, "-cf", tar, "etc", "usr")
	content, err := os.ReadFile(tar)
	if err != nil {
		t.Fatal(err)
	}
	content = append(content, make([]byte, 3<<20)...) // which belongs to a tar
	server := httptest.NewServer(&flaky{content: content, tags: []string{"one", "one"}})
	defer server.Close()
	sum := sha256.Sum256(content)
	out, err = run(t, with(args, "--from", server.URL+"/os.tar", "--sha256", hex.EncodeToString(sum[:]),
		"--wipe", "--json", disk)...)
	var got installed
	if err := errors.Join(err, json.Unmarshal([]byte(out), &got)); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got.Output != disk || got.Usr != "usr:org.example.os:x86-64:1.0" || len(got.Disk.Parts) != 2 {
		t.Errorf("got %+v", got)
	}
	d := device.ReadDisk(disk)
	if len(d.Partitions) != 2 || !d.Partitions[1].GrowFS || d.Partitions[1].UUID == "" {
		t.Errorf("the disk is %+v", d)
	}
	// The kernel has no devices for the partitions of this one.
	if out, err := run(t, "list", disk); err != nil || !strings.Contains(out, got.Usr) {
		t.Errorf("list: %v\n%s", err, out)
	}
	if out := testfs.Run(t, "sgdisk", "-v", disk); !strings.Contains(out, "No problems found") {
		t.Error(out)
	}
}

// flaky serves a file as one version after the other, and breaks all answers but the last
// off when a client has begun to write.
type flaky struct {
	content []byte
	tags    []string
	asked   atomic.Int32
}

// ServeHTTP sends two MiB, or all that was asked for.
func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := int(f.asked.Add(1))
	w.Header().Set("ETag", `"`+f.tags[min(n, len(f.tags))-1]+`"`)
	if n < len(f.tags) {
		w.Header().Set("Content-Length", strconv.Itoa(len(f.content)))
		_, _ = w.Write(f.content[:2<<20])
		panic(http.ErrAbortHandler)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
}

// TestIntegrationInstallFails lets it fail when the disk is wiped already: nothing may be
// left that boots, nor a loop device.
func TestIntegrationInstallFails(t *testing.T) {
	tree, args := installArgs(t)
	tar := []byte(testfs.Run(t, "tar", "-C", tree, "-c", "etc", "usr"))
	tar = append(tar, make([]byte, 3<<20)...)
	server := httptest.NewServer(&flaky{content: tar, tags: []string{"one"}})
	defer server.Close()
	changing := httptest.NewServer(&flaky{content: tar, tags: []string{"one", "two"}})
	defer changing.Close()
	disk := loopDisk(t, 400)
	testfs.Run(t, "sgdisk", "-n1:1M:0", disk)
	for name, tc := range map[string]struct {
		want string
		args []string
	}{
		"other digest": {"its SHA-256 is", []string{"--from", server.URL, "--sha256", strings.Repeat("0", 64)}},
		"another file": {"it has changed on the server", []string{"--from", changing.URL}},
	} {
		out, err := run(t, with(args, append(tc.args, "--wipe", disk)...)...)
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "nothing on it that boots") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if d := device.ReadDisk(disk); !errors.Is(d.Err, gpt.ErrNoTable) {
			t.Errorf("%s: the disk is %+v", name, d)
		}
		if out := testfs.Run(t, "losetup", "-n", "-O", "NAME", "-j", disk); out != "" {
			t.Errorf("%s: loop devices are left: %s", name, out)
		}
	}
}

// TestIntegrationInstallBroken installs to a disk that fails when it is written to for a
// while: its file cannot grow any more.
func TestIntegrationInstallBroken(t *testing.T) {
	tree, args := installArgs(t)
	noise := make([]byte, 40<<20)
	rand.New(rand.NewSource(1)).Read(noise)
	if err := os.WriteFile(filepath.Join(tree, "usr/lib/noise"), noise, 0o644); err != nil {
		t.Fatal(err)
	}
	disk := loopOf(t, testfs.Tmpfs(t, "size=30m"), 400)
	out, err := run(t, with(args, "--usr", tree, disk)...)
	if err == nil || !strings.Contains(err.Error(), "input/output error") ||
		!strings.HasSuffix(err.Error(), "; there is nothing on it that boots") {
		t.Errorf("%v\n%s", err, out)
	}
	if d := device.ReadDisk(disk); !errors.Is(d.Err, gpt.ErrNoTable) {
		t.Errorf("the disk is %+v", d)
	}
	if out := testfs.Run(t, "losetup", "-n", "-O", "NAME", "-j", disk); out != "" {
		t.Errorf("loop devices are left: %s", out)
	}
}

// TestIntegrationLeft looks at disks that have failed.
func TestIntegrationLeft(t *testing.T) {
	for want, prepare := range map[string]func(dir, disk string){
		"there is nothing on it that boots":               func(string, string) {},
		"it still has btrfs of before, and may boot that": func(_, disk string) { testfs.Run(t, "mkfs.btrfs", "-q", disk) },
		"input/output error":                              func(dir, _ string) { testfs.Run(t, "truncate", "-s", "0", filepath.Join(dir, "disk")) },
	} {
		dir := t.TempDir()
		path := loopOf(t, dir, 200)
		prepare(dir, path)
		disk, err := device.OpenExclusive(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := left(disk); !strings.HasSuffix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		disk.Close()
	}
}

// TestInstallDryRun tells what would be made of a disk, or what keeps it from being done, and
// changes nothing.
func TestInstallDryRun(t *testing.T) {
	tree, args := installArgs(t)
	disk := loopDisk(t, 300)
	testfs.Run(t, "mkfs.btrfs", "-q", disk)
	args = with(args, "--dry-run", "--usr", tree)
	out, err := run(t, with(args, disk)...)
	if err != nil || !strings.Contains(out, ": btrfs\n") || !strings.Contains(out, "output     "+disk+" (raw), 300 MiB\n") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = run(t, with(args, "--json", disk)...)
	var got installPlan
	if err := errors.Join(err, json.Unmarshal([]byte(out), &got)); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got.Output != disk || got.Size != 300<<20 || len(got.Partitions) != 2 || !slices.Equal(got.Disk.Signatures, []string{"btrfs"}) {
		t.Errorf("the plan is %+v", got)
	}
	if out, err := run(t, with(args, "--usr", "/none", disk)...); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a source: %v\n%s", err, out)
	}
	testfs.Run(t, "btrfs", "check", disk)
}

// TestInstallRefuses must not change a byte.
func TestInstallRefuses(t *testing.T) {
	tree, args := installArgs(t)
	server := httptest.NewServer(http.FileServer(http.Dir(tree)))
	defer server.Close()
	image := httptest.NewServer(&flaky{tags: []string{"one"},
		content: slices.Concat(make([]byte, 512), []byte("EFI PART"), make([]byte, 1<<20))})
	defer image.Close()
	large := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(300<<20))
	}))
	defer large.Close()
	disk, small := loopDisk(t, 300), loopDisk(t, 100)
	readOnly, full := loopDisk(t, 300, "-r"), loopDisk(t, 300)
	testfs.Run(t, "mkfs.btrfs", "-q", full)
	held := loopDisk(t, 300)
	holder, err := device.OpenExclusive(held)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	for name, tc := range map[string]struct {
		want string
		args []string
	}{
		"in use":       {held + " is in use", []string{"--usr", tree, held}},
		"read-only":    {"read-only", []string{"--usr", tree, readOnly}},
		"too small":    {"has 100 MiB: the pool has 58 MiB, and needs 256", []string{"--usr", tree, small}},
		"too small 2":  {"77 MiB too small", []string{"--usr", tree, "--esp-size", "175M", small}},
		"not empty":    {"it is not empty: --wipe overwrites", []string{"--usr", tree, full}},
		"not a disk":   {"is no block device", []string{"--usr", tree, filepath.Join(tree, "initramfs")}},
		"not there":    {"no such file", []string{"--usr", tree, "/dev/nonexistent"}},
		"not a source": {"os-release", []string{"--usr", filepath.Join(tree, "usr/lib/os-release"), disk}},
		"no file":      {"404 Not Found", []string{"--from", server.URL + "/nope", disk}},
		"no source":    {"it is nothing that is known", []string{"--from", server.URL + "/initramfs", disk}},
		"an image":     {"it is a disk image; it has to be", []string{"--from", image.URL, disk}},
		"too large":    {"it has 300 MiB, and the pool will have 258 MiB", []string{"--from", large.URL, disk}},
		"no server":    {"unsupported protocol scheme", []string{"--from", "gopher://localhost", disk}},
		"no initramfs": {"find initramfs: stat", []string{"--usr", tree, "--initramfs", "/gone", "--wipe", full}},
		"no init":      {"find init: stat", []string{"--usr", tree, "--init", "/gone", "--wipe", full}},
		"no tool":      {"find tool: stat", []string{"--usr", tree, "--tool", "/gone", "--wipe", full}},
		"no kernel":    {"find kernel: no modules", []string{"--usr", tree, "--kernel-from", "/gone", "--wipe", full}},
		"no tool 2":    {"find tool: stat", []string{"--from", server.URL, "--tool", "/gone", "--wipe", full}},
		"kernel gone":  {`it has no kernel "9.9"`, []string{"--usr", tree, "--kernel", "9.9", "--wipe", full}},
		"no loader":    {"has no systemd-boot", []string{"--usr", tree, "--bootloader", "uki", "--arch", "riscv64", "--wipe", full}},
		"nobody":       {"--yes does it without", []string{"--usr", tree, "--yes=false", disk}},
	} {
		out, err := run(t, with(args, tc.args...)...)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q\n%s", name, err, tc.want, out)
		}
	}
	if out, err := run(t, "install", "--from-running", disk); !errors.Is(err, errNotBooted) {
		t.Errorf("not a system of ours: %v\n%s", err, out)
	}
	path := os.Getenv("PATH")
	t.Setenv("PATH", "")
	out, err := run(t, with(args, "--usr", tree, disk)...)
	if err == nil || !strings.Contains(err.Error(), "install btrfs-progs") {
		t.Errorf("without programs: %v\n%s", err, out)
	}
	t.Setenv("PATH", path)
	if raw, err := os.ReadFile(disk); err != nil || strings.Trim(string(raw), "\x00") != "" {
		t.Errorf("the disk was written to, %v", err)
	}
	testfs.Run(t, "btrfs", "check", full)
	for _, args := range [][]string{
		{"--usr", tree}, {"/dev/null"}, {"--usr", tree, "--from-running", disk}, {"--from-running", "--version", "1", disk},
		{"--usr", tree, "--sha256", "0", disk}, {"--from", large.URL, "--sha256", strings.Repeat("0", 63), disk},
		{"--from", large.URL, "--sha256", strings.Repeat("x", 64), disk}, {"--usr", tree, disk}, {"--usr", tree, "--vendor", "a", "--version", "1",
			"--esp-size", "x", disk},
	} {
		var usage usageError
		if out, err := run(t, append([]string{"install", "--no-tool"}, args...)...); !errors.As(err, &usage) {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
	}
}

func TestSayRetry(t *testing.T) {
	var out strings.Builder
	sayRetry(&out, nil, "http://a/\x1b[2J", download.Retry{Err: io.ErrUnexpectedEOF, At: 5 << 20, Pause: 2 * time.Second})
	const want = `fetch "http://a/\x1b[2J": broken off after 5.0 MiB: unexpected EOF; going on in 2s` + "\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestInstallAsks types answers on a terminal.
func TestInstallAsks(t *testing.T) {
	master, terminal := newTerminal(t)
	c := device.Contents{Part: device.Part{Device: "/dev/sdb"}}
	for answer, want := range map[string]string{
		"sdb": "", "/dev/sdb": "", "yes": "not confirmed", "": "not confirmed", "y": "not confirmed", "sda": "not confirmed",
		"\x04": "EOF",
	} {
		if answer != "\x04" { // which ends the input without a line
			answer += "\n"
		}
		if _, err := master.WriteString(answer); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		err := (&installOptions{}).allow(terminal, &out, c)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", answer, err, want)
		}
		if !strings.Contains(out.String(), "type its name (sdb)") {
			t.Errorf("asked with %q", out.String())
		}
	}
}

// newTerminal makes a pseudo terminal (pty(7)).
func newTerminal(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return master, terminal
}

// TestDescribeContents shows names that could play tricks quoted.
func TestDescribeContents(t *testing.T) {
	var out strings.Builder
	describeContents(&out, device.Contents{
		Part: device.Part{Device: "/dev/sdb", Size: 32 << 30, Signatures: []string{"GPT"}}, Model: "Disk \x1b[2J",
		Parts: []device.Part{
			{Device: "/dev/sdb1", Size: 512 << 20, Type: "EFI system", Label: "esp", Signatures: []string{"vfat"}},
			{Device: "/dev/sdb2", Size: 31 << 30, Type: "Linux data", Label: "\a"},
		},
	})
	const want = `/dev/sdb, 32 GiB, "Disk \x1b[2J": GPT
  /dev/sdb1, 512 MiB, EFI system "esp": vfat
  /dev/sdb2, 31 GiB, Linux data "\a": nothing that is known
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
