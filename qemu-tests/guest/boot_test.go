package guest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshroot/freshroot/pkg/vm"
	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/freshroot/freshroot/qemu-tests/image"
	"github.com/freshroot/freshroot/qemu-tests/vmtest"
	"github.com/google/go-cmp/cmp"
)

// assemble is the least that must be done to boot a golden master with nothing but
// memory around it. It shows that the guests are right without freshroot.
const assemble = `#!/bin/sh
set -e
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=755 run /run
mkdir /run/freshroot
for m in /modules/*; do insmod "$m"; done
mkdir /pool /new
while ! mount -t btrfs -o ro /dev/vda1 /pool; do :; done
mount -t tmpfs -o mode=755 root /new
cd /new
mkdir usr dev proc sys run home mnt opt srv
mkdir -m 700 root
mkdir -m 1777 tmp
mount --bind /pool/usr usr
cp -a usr/share/factory/etc usr/share/factory/var .
for dir in bin sbin lib lib64; do
	[ ! -d usr/$dir ] || ln -s usr/$dir $dir
done
for m in dev proc sys run; do mount --move /$m $m; done
echo '{"made": "by hand"}' > run/freshroot/boot.json
exec switch_root . /sbin/init splash
`

// bootTime is far beyond what a boot takes under emulation on a busy machine.
const bootTime = 5 * time.Minute

// initramfs makes one that runs the script with the modules for a virtio disk with
// btrfs loaded.
func initramfs(t *testing.T, kernel *guest.Kernel) string {
	t.Helper()
	root, cpio := t.TempDir(), filepath.Join(t.TempDir(), "initramfs.cpio")
	if err := os.Mkdir(filepath.Join(root, "modules"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i, path := range moduleFiles(t, kernel) {
		dst := filepath.Join(root, "modules", fmt.Sprintf("%02d-%s", i, filepath.Base(path)))
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dst, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := guest.Initramfs(t.Context(), cpio, assemble, root); err != nil {
		t.Fatal(err)
	}
	return cpio
}

// moduleFiles asks modprobe for the modules in the order to load them. btrfs needs a
// crc32c that modules.dep does not know of.
func moduleFiles(t *testing.T, kernel *guest.Kernel) []string {
	t.Helper()
	out, err := exec.Command("modprobe", "-d", kernel.Dir, "-S", kernel.Release,
		"--show-depends", "-a", "virtio_pci", "virtio_blk", "crc32c_generic", "btrfs").Output()
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for line := range strings.Lines(string(out)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "insmod ")
		if ok && !slices.Contains(files, path) {
			files = append(files, path)
		}
	}
	return files
}

// start boots a tree from a pool that has nothing else.
func start(t *testing.T, tree *guest.Tree, c vm.Config, sizeMiB int) *vm.VM {
	t.Helper()
	disk := filepath.Join(t.TempDir(), "disk.img")
	pool := image.Pool(guest.Pool(guest.Member{Name: "usr", Usr: tree}))
	began := time.Now()
	err := image.Create(disk, image.Spec{
		SizeMiB: sizeMiB, Partitions: []image.Partition{pool},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("image made in %v", time.Since(began))
	c.Disks = []vm.Disk{{Path: disk}}
	c.Cmdline = "console=ttyS0 panic=0 " + c.Cmdline
	return vmtest.ForTest(t, c)
}

// finish waits until the guest is off, and returns its report.
func finish(ctx context.Context, t *testing.T, v *vm.VM) *guest.Report {
	t.Helper()
	if err := v.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	report, err := guest.ParseReport(v.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("up after %v s of the guest's time", report.Uptime)
	return report
}

// timeout bounds a whole boot.
func timeout(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bootTime)
	t.Cleanup(cancel)
	return ctx
}

// dialogue expects a pattern, and then types a line.
func dialogue(ctx context.Context, t *testing.T, v *vm.VM, pattern, line string) {
	t.Helper()
	if _, err := v.Expect(ctx, pattern); err != nil {
		t.Fatal(err)
	}
	if err := v.Send(line); err != nil {
		t.Fatal(err)
	}
}

// busyboxConfig is a machine for the busybox guest, but for the disk.
func busyboxConfig(t *testing.T, cmdline string) (*guest.Tree, vm.Config) {
	t.Helper()
	needRoot(t)
	kernel, err := guest.FetchKernel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return busybox(t), vm.Config{
		Kernel: kernel.Image, Initramfs: initramfs(t, kernel), Cmdline: cmdline,
	}
}

func TestIntegrationBusyboxBoots(t *testing.T) {
	command := "stat -c '%a %U %n' /etc/shadow; echo -n no newline; exit 7"
	tree, c := busyboxConfig(t, guest.RunArg(command))
	r := finish(timeout(t), t, start(t, tree, c, 128))

	checkStateless(t, r)
	if diff := cmp.Diff("busybox", r.Init); diff != "" {
		t.Errorf("init (-want +got):\n%s", diff)
	}
	argv := []string{"/usr/bin/busybox", "sh", "/sbin/init", "splash"}
	if diff := cmp.Diff(argv, r.Argv); diff != "" {
		t.Errorf("argv (-want +got):\n%s", diff)
	}
	if r.RunOutput != "640 root /etc/shadow\nno newline" || r.RunStatus != 7 {
		t.Errorf("guest.run printed %q with status %d", r.RunOutput, r.RunStatus)
	}
}

func TestIntegrationBusyboxStays(t *testing.T) {
	tree, c := busyboxConfig(t, "guest.stay")
	ctx, v := timeout(t), start(t, tree, c, 128)
	dialogue(ctx, t, v, "GUEST-DONE\n", "echo I am $$")
	dialogue(ctx, t, v, "^I am [0-9]+\n", "exit")
	finish(ctx, t, v)
}

// TestIntegrationDebianBoots boots it once for all there is to see, so it asks for
// a shell too.
func TestIntegrationDebianBoots(t *testing.T) {
	tree := debian(t)
	ctx, v := timeout(t), start(t, tree, vm.Config{
		Kernel:    tree.Kernel.Image,
		Initramfs: initramfs(t, tree.Kernel),
		Cmdline:   "guest.stay " + guest.RunArg("wc -c < /etc/machine-id"),
		CPUs:      2,
	}, 512)
	dialogue(ctx, t, v, "GUEST-DONE\n", "echo I am $USER")
	// The shell puts an escape sequence in front.
	dialogue(ctx, t, v, "I am root\n", "systemctl poweroff")
	r := finish(ctx, t, v)

	checkStateless(t, r)
	if diff := cmp.Diff("systemd", r.Init); diff != "" {
		t.Errorf("init (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("running", r.State); diff != "" {
		t.Errorf("state (-want +got):\n%s\nfailed units: %q", diff, r.Failed)
	}
	if diff := cmp.Diff("33\n", r.RunOutput); diff != "" {
		t.Errorf("size of the machine ID (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(r.Time, "Startup finished in ") {
		t.Errorf("systemd-analyze time says %q", r.Time)
	}
}

// TestIntegrationOpenRCBoots boots it with a command line that leads to the shell, too.
func TestIntegrationOpenRCBoots(t *testing.T) {
	tree := openrc(t)
	ctx, v := timeout(t), start(t, tree, vm.Config{
		Kernel: tree.Kernel.Image, Initramfs: initramfs(t, tree.Kernel), Cmdline: "guest.stay",
	}, 512)
	dialogue(ctx, t, v, "root@.*# ", "echo I am $USER")
	dialogue(ctx, t, v, "I am root\n", "poweroff -f")
	r := finish(ctx, t, v)

	checkStateless(t, r)
	got := []string{r.Init, r.State, strings.Join(r.Failed, " ")}
	if diff := cmp.Diff([]string{"openrc", "default", ""}, got); diff != "" {
		t.Errorf("init, runlevel and failed services (-want +got):\n%s", diff)
	}
}

// TestIntegrationShell wants no report where a person asked for the shell.
func TestIntegrationShell(t *testing.T) {
	tree, c := busyboxConfig(t, "guest.shell")
	ctx, v := timeout(t), start(t, tree, c, 128)
	dialogue(ctx, t, v, "# ", "echo I am $$")
	dialogue(ctx, t, v, "^I am [0-9]+\n", "exit")
	if err := v.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := guest.ParseReport(v.Output()); err == nil {
		t.Errorf("a report:\n%s", v.Output())
	}
}

// checkStateless checks what assemble makes of any guest.
func checkStateless(t *testing.T, r *guest.Report) {
	t.Helper()
	if root := r.Mount("/"); root == nil || root.Type != "tmpfs" {
		t.Errorf("/ is %+v, want a tmpfs", root)
	}
	if usr := r.Mount("/usr"); usr == nil || usr.Type != "btrfs" || usr.Root != "/usr" {
		t.Errorf("/usr is %+v, want the pool's usr", usr)
	}
	if r.UsrWritable {
		t.Error("/usr is writable")
	}
	for _, dir := range []string{"/etc", "/var", "/root", "/home"} {
		if diff := cmp.Diff(guest.MarkerNew, r.Markers[dir]); diff != "" {
			t.Errorf("marker in %s (-want +got):\n%s", dir, diff)
		}
	}
	if diff := cmp.Diff("{\"made\": \"by hand\"}\n", string(r.BootJSON)); diff != "" {
		t.Errorf("boot.json (-want +got):\n%s", diff)
	}
	if !slices.Contains(r.Env, "TERM=linux") {
		t.Errorf("the environment of PID 1 lacks the kernel's TERM: %q", r.Env)
	}
	if r.Meminfo["MemFree"] == 0 || r.Uptime == 0 {
		t.Errorf("no memory (%v) or no uptime (%v)", r.Meminfo, r.Uptime)
	}
}
