package qemutests_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/archive"
	"github.com/freshroot/freshroot/qemu-tests/guest"
)

// ciInit is an init without systemd that starts the script for such.
const ciInit = `#!/usr/bin/busybox sh
export PATH=/usr/bin:/usr/sbin
exec < /dev/console > /dev/console 2>&1
sh /usr/lib/guest/freshroot-ci start
exec sleep 1000000
`

// ciImage is an image to run commands in, and the flags that go with it.
type ciImage struct {
	t    *testing.T
	tool string
	path string
	args []string
	sum  [sha256.Size]byte
}

func newCIImage(t *testing.T, tool, path string, args ...string) *ciImage {
	t.Helper()
	return &ciImage{t, tool, path, args, sum(t, path)}
}

func sum(t *testing.T, path string) [sha256.Size]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// command is "freshroot ci run" with an empty directory for its temporary files.
func (i *ciImage) command(flags []string, argv ...string) *exec.Cmd {
	args := append([]string{"ci", "run", "--cpus=1"}, i.args...)
	args = append(append(args, flags...), i.path, "--")
	cmd := exec.CommandContext(i.t.Context(), i.tool, append(args, argv...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+i.t.TempDir())
	return cmd
}

// ciResult is what there is to see of a run.
type ciResult struct {
	status         int
	stdout, stderr string
}

func (i *ciImage) run(t *testing.T, flags []string, argv ...string) ciResult {
	t.Helper()
	cmd := i.command(flags, argv...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	i.checkClean(t, cmd)
	return ciResult{exitStatus(t, err), stdout.String(), stderr.String()}
}

// checkClean wants the image as it was, and no temporary file.
func (i *ciImage) checkClean(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if sum(t, i.path) != i.sum {
		t.Error("the image has changed")
	}
	dir := strings.TrimPrefix(cmd.Env[len(cmd.Env)-1], "TMPDIR=")
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
}

func exitStatus(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	t.Fatal(err)
	return 0
}

// TestIntegrationCIRun runs commands in a guest without systemd and udev, where the job
// comes by the port.
func TestIntegrationCIRun(t *testing.T) {
	t.Parallel()
	tool := tool.get(t)
	m := master(t, "1.0", func(root string) error {
		return errors.Join(
			copyProgram(filepath.Join(root, "bin/freshroot"), tool),
			copyFile(filepath.Join(root, "lib/guest/freshroot-ci"), "../dist/sysv/freshroot-ci"),
			os.WriteFile(filepath.Join(root, "lib/guest/ci-init"), []byte(ciInit), 0o755))
	})
	initramfs := shareInitramfs("virtio,virtio_console", archive.ShellIfAdded).get(t)
	i := newCIImage(t, tool, disk(t, pool(guest.Pool(m))).Path, "--memory=1024",
		"--kernel="+kernel.get(t).Image, "--initramfs="+initramfs.Output,
		"--cmdline=init=/usr/lib/guest/ci-init")
	t.Run("output and status", i.testOutput)
	t.Run("timeout", i.testTimeout)
	t.Run("panic", i.testPanic)
	t.Run("interrupt", i.testInterrupt)
}

// testOutput has a megabyte on one stream, a word on the other, no input, a status, and
// files that are copied in and out.
func (i *ciImage) testOutput(t *testing.T) {
	dir := t.TempDir()
	summary, in, out := filepath.Join(dir, "summary.json"), filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := writeTree(in, map[string]string{"a/b": "from the host"}); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--json=" + summary, "--copy-in=" + in + ":/srv/in", "--copy-out=/srv/in:" + out,
		"--copy-out=/srv/none:" + filepath.Join(dir, "none")}
	got := i.run(t, flags, "sh", "-c",
		`echo "$0" >&2; cat; grep -c volatile=yes /proc/cmdline; cat /srv/in/a/b; echo; echo back > /srv/in/c
		yes 0123456789abcde | head -n 65536; exit 7`, "a word, and more")
	want := ciResult{
		7, "1\nfrom the host\n" + strings.Repeat("0123456789abcde\n", 1<<16), "a word, and more\n" +
			"freshroot ci: copy out: pack \"/srv/none\": open /srv/none: no such file or directory\n",
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(ciResult{})); diff != "" {
		t.Errorf("(-want +got):\n%.4000s", diff)
	}
	back, err := os.ReadFile(filepath.Join(out, "c"))
	if err != nil || string(back) != "back\n" {
		t.Errorf("copied out: %q, %v", back, err)
	}
	text, err := os.ReadFile(summary)
	var read struct {
		Status    int
		Boot, Run float64
	}
	if err == nil {
		err = json.Unmarshal(text, &read)
	}
	if err != nil || read.Status != 7 || read.Boot <= 0 || read.Run <= 0 {
		t.Errorf("summary %q: %v", text, err)
	}
}

// testTimeout has a command that does not end.
func (i *ciImage) testTimeout(t *testing.T) {
	got := i.run(t, []string{"--timeout=1s"}, "sleep", "1000000")
	want := ciResult{124, "", "freshroot ci run: the command took too long (1s)\n"}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(ciResult{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// testPanic has a guest whose kernel panics after the command has said something.
func (i *ciImage) testPanic(t *testing.T) {
	// More than the pipe to the guest's tool holds: when it is written, the first of it is sent.
	got := i.run(t, nil, "sh", "-c", "echo before; head -c 300000 /dev/zero; echo c > /proc/sysrq-trigger")
	if got.status != 125 || !strings.HasPrefix(got.stdout, "before\n") {
		t.Errorf("status %d, output of %d bytes", got.status, len(got.stdout))
	}
	for _, want := range []string{"lost before the command had ended", "sysrq triggered crash"} {
		if !strings.Contains(got.stderr, want) {
			t.Errorf("lacks %q:\n%s", want, got.stderr)
		}
	}
}

// testInterrupt presses Ctrl-C when the command has begun.
func (i *ciImage) testInterrupt(t *testing.T) {
	cmd := i.command(nil, "sh", "-c", "echo begun; sleep 1000000")
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	begun := make([]byte, len("begun\n"))
	if _, err := io.ReadFull(stdout, begun); err != nil {
		t.Errorf("the command did not begin: %v", err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if status := exitStatus(t, cmd.Wait()); status != 130 {
		t.Errorf("status %d", status)
	}
	i.checkClean(t, cmd)
}

// copyProgram copies a file that is to be executed.
func copyProgram(dst, src string) error {
	return errors.Join(copyFile(dst, src), os.Chmod(dst, 0o755))
}

// TestIntegrationCIRunDebian runs commands in a guest with systemd and udev, where the
// job comes as a credential: with the kernel that is in the image, then by firmware.
func TestIntegrationCIRunDebian(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "disk.img")
	imageTool(t, append([]string{"build", "-o", path}, ofDebian(t, "12.0", "guest.shell")...)...)
	i := newCIImage(t, tool.get(t), path)
	for _, test := range []struct {
		flags    []string
		firmware string
	}{
		{nil, "no firmware\n"},
		{[]string{"--firmware"}, "firmware\n"},
	} {
		got := i.run(t, test.flags, "sh", "-c", `systemctl is-active multi-user.target; id -un; pwd
			test -s /run/credentials/@system/freshroot.job && echo credential
			test -d /sys/firmware/efi || printf "no "; echo firmware; kill -TERM $$`)
		want := ciResult{143, "active\nroot\n/\ncredential\n" + test.firmware, ""}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(ciResult{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.flags, diff)
		}
	}
}
